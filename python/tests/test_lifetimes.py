"""python: context managers, closing in any order, from any thread, and at the interpreter's end."""

import gc
import threading
import time
import unittest

import harness


class Lifetimes(unittest.TestCase):
    def setUp(self):
        import daub

        self.daub = daub

    def test_closed_things_say_so(self):
        with self.daub.Model() as model:
            device = model.device
            with model.start("a dog", steps=1) as job:
                image = job.result()
        for thing, call in ((model, lambda: model.generate("a dog")), (job, job.cancel), (device, lambda: device.info)):
            self.assertTrue(thing.closed)
            thing.close()
        for call in (lambda: model.generate("a dog"), lambda: job.wait(), lambda: device.info, lambda: model.info):
            with self.assertRaisesRegex(self.daub.ClosedError, "is closed"):
                call()
        self.assertIs(job.result(), image)  # what was taken stays
        self.assertIn("closed", repr(model) + repr(job))

    def test_a_device_closes_what_was_made_from_it(self):
        device = self.daub.Device()
        models = [self.daub.Model(device=device) for _ in range(2)]
        jobs = [models[0].start("a dog", steps=900) for _ in range(3)]
        next(iter(jobs[0]))
        device.close()
        for thing in jobs + models:
            self.assertTrue(thing.closed)
        with self.assertRaises(self.daub.ClosedError):
            jobs[2].result()

    def test_a_device_given_is_left_open(self):
        with self.daub.Device() as device:
            with self.daub.Model(device=device):
                pass
            self.assertFalse(device.closed)

    def test_closing_while_another_thread_draws(self):
        model, ended = self.daub.Model(), []

        def draw():
            try:
                model.generate("a dog", steps=900)
            except self.daub.Error as error:
                ended.append(error)

        threads = [threading.Thread(target=draw) for _ in range(3)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        closers = [threading.Thread(target=model.close) for _ in range(2)]
        for thread in closers + threads:
            if thread in closers:
                thread.start()
        for thread in closers + threads:
            thread.join(60)
            self.assertFalse(thread.is_alive())
        self.assertEqual(len(ended), 3)
        self.assertTrue(all(isinstance(error, (self.daub.Cancelled, self.daub.ClosedError)) for error in ended), ended)

    def test_dropping_is_closing(self):
        job = self.daub.Model().start("a dog", steps=1)  # the job keeps its model
        handles = job._handle, job._model._handle, job._model.device._handle
        job.result()
        del job
        gc.collect()
        self.assertTrue(all(handle.closed for handle in handles))

    def test_dropping_in_a_cycle_and_in_a_callback(self):
        model = self.daub.Model()
        box = {"job": model.start("a dog", steps=900)}
        handle = box["job"]._handle
        box["self"] = box
        del box
        gc.collect()
        self.assertTrue(handle.closed)
        box, started = {}, threading.Event()

        def drop(event):
            started.wait(10)
            box.clear()  # the last reference to the job, on the job's own thread

        box["job"] = model.start("a dog", steps=900, on_progress=drop)
        handle = box["job"]._handle
        started.set()
        end = time.monotonic() + 30
        while not handle.closed and time.monotonic() < end:
            time.sleep(0.01)
        self.assertTrue(handle.closed)
        model.close()

    def test_the_interpreters_end(self):
        programs = {
            "everything open": "m = daub.Model(); m.generate('a dog', steps=1)",
            "a job running": "m = daub.Model(); j = m.start('a dog', steps=900); next(iter(j))",
            "callbacks running": "m = daub.Model()\n"
            "j = m.start('a dog', steps=900, on_step=lambda s: s.latents is None or True); next(iter(j))",
            "a daemon that waits": "import threading; m = daub.Model()\n"
            "j = m.start('a dog', steps=900); next(iter(j))\n"
            "threading.Thread(target=j.wait, daemon=True).start()",
            "globals in odd order": "d = daub.Device(); j = daub.Model(device=d).start('a dog', steps=900); del d",
            "an exception": "m = daub.Model(); j = m.start('a dog', steps=900); raise SystemExit(0)",
            "a fork": "import os; m = daub.Model(); p = os.fork()\n"
            "if p: status = os.waitpid(p, 0)[1]; m.generate('a dog', steps=1); raise SystemExit(status)\n"
            "try: m.generate('a dog')\nexcept daub.InvalidArgument as e: assert 'fork' in str(e)\n"
            "else: raise SystemExit(3)",
        }
        for name, body in programs.items():
            with self.subTest(name):
                status, out, err = harness.run("import daub\n" + body + "\nprint('end')")
                self.assertEqual((status, err), (0, ""))

    def test_many_models_leave_nothing(self):
        from daub import _handles

        with self.daub.Device() as device:
            for _ in range(3):
                with self.daub.Model(device=device) as model:
                    model.start("a dog", steps=1).close()
            self.assertEqual(device._handle._children, set())
        self.assertEqual(_handles._inside.handles, ())


if __name__ == "__main__":
    unittest.main()
