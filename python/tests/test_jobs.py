"""python: progress by callback or iterator, previews, hooks between steps, cancelling, threads."""

import os
import signal
import subprocess
import sys
import threading
import time
import unittest

import harness
import numpy


class Jobs(harness.Case):
    def test_progress_by_iterator(self):
        with self.model.start("a dog", steps=3) as job:
            events = list(job)
            image = job.result()
        steps = [event.step for event in events if event.phase == "denoise"]
        self.assertEqual(steps, [0, 1, 2, 3])
        self.assertEqual((events[-1].phase, events[-1].step, events[-1].n_steps), ("done", 3, 3))
        self.assertTrue(all(a.seconds <= b.seconds for a, b in zip(events, events[1:])))
        self.assertEqual(image.tobytes(), self.model.generate("a dog", steps=3).tobytes())

    def test_progress_by_callback(self):
        seen = []
        self.model.generate("a dog", steps=3, on_progress=seen.append)
        self.assertEqual([event.step for event in seen if event.phase == "denoise"], [0, 1, 2, 3])

    def test_previews(self):
        with self.model.start("a dog", steps=4, preview="linear", preview_every=2) as job:
            shown = [(event.step, event.preview.array.shape) for event in job if event.preview]
        self.assertEqual(shown, [(2, (8, 8, 3)), (4, (8, 8, 3))])
        called = []
        image = self.model.generate(
            "a dog", steps=2, preview="vae", on_preview=lambda picture, *at: called.append((picture, at))
        )
        self.assertEqual([at for _, at in called], [(1, 2), (2, 2)])
        self.assertLessEqual(abs(called[1][0].array.astype(int) - image.array).max(), 1)

    def test_a_step_reads_and_changes_the_latents(self):
        plain, seen = self.model.generate("a dog", steps=3, seed=2), []
        same = self.model.generate(
            "a dog", steps=3, seed=2, on_step=lambda step: seen.append((step, step.latents)) and None
        )
        self.assertEqual(same.tobytes(), plain.tobytes())
        self.assertEqual(
            [(step.step, step.n_steps, latents.shape) for step, latents in seen],
            [(i, 3, (16, 8, 8)) for i in (1, 2, 3)],
        )
        self.assertTrue((seen[2][1] == plain.latents).all())
        with self.assertRaisesRegex(self.daub.InvalidArgument, "lent to on_step"):
            seen[0][0].view

        def change(step):
            if step.step == 2:
                step.latents *= 0.5

        def assign(step):
            if step.step == 2:
                step.latents = (step.latents * 0.5).tolist()

        changed = self.model.generate("a dog", steps=3, seed=2, on_step=change)
        self.assertNotEqual(changed.tobytes(), plain.tobytes())
        self.assertEqual(self.model.generate("a dog", steps=3, seed=2, on_step=assign).tobytes(), changed.tobytes())

        def poison(step):
            step.latents[0, 0, 0] = numpy.nan

        with self.assertRaisesRegex(self.daub.InvalidArgument, "not finite"):
            self.model.generate("a dog", steps=3, on_step=poison)

    def test_false_cancels(self):
        for name in ("on_progress", "on_step"):
            with self.assertRaises(self.daub.Cancelled):
                self.model.generate("a dog", **{name: lambda lent: lent.step < 2})

    def test_what_a_callback_raises(self):
        def fail(*lent):
            raise KeyError("of a callback")

        for name in ("on_progress", "on_preview", "on_step"):
            with self.assertRaisesRegex(KeyError, "of a callback"):
                self.model.generate("a dog", **{name: fail})
        self.model.generate("a dog", steps=1)  # the model goes on

    def test_cancel(self):
        with self.model.start("a dog", steps=900) as job:
            next(iter(job))
            self.assertFalse(job.done)
            with self.assertRaises(TimeoutError):
                job.result(timeout=0.05)
            start = time.monotonic()
            job.cancel()
            self.assertTrue(job.wait(10))
            self.assertLess(time.monotonic() - start, 5)
            for _ in range(2):
                with self.assertRaises(self.daub.Cancelled) as caught:
                    job.result()
            self.assertEqual(caught.exception.status, "DAUB_ERROR_CANCELLED")
            self.assertIn("cancelled", str(caught.exception))

    def test_callbacks_may_not_wait_for_themselves(self):
        caught = []

        def inside(event):
            for call in (self.model.close, self.device.close, job[0].close, job[0].wait, job[0].result):
                try:
                    call()
                except self.daub.InvalidArgument as error:
                    caught.append(str(error))

        job, ready = [], threading.Event()

        def first(event):
            ready.wait(10)
            if event.phase == "done":
                inside(event)

        job.append(self.model.start("a dog", steps=1, on_progress=first))
        ready.set()
        job[0].result()
        self.assertEqual(len(caught), 5, caught)
        self.assertIn("cannot close its own model", caught[0])

    def test_threads_share_a_model(self):
        pictures, failures = {}, []

        def draw(seed):
            try:
                pictures[seed] = self.model.generate("a dog", steps=2, seed=seed).tobytes()
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=draw, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        for seed in range(4):
            self.assertEqual(pictures[seed], self.model.generate("a dog", steps=2, seed=seed).tobytes())

    def test_the_interpreter_is_free_while_it_draws(self):
        with self.model.start("a dog", steps=30) as job:
            thread = threading.Thread(target=job.wait)
            thread.start()
            count = 0
            while thread.is_alive():
                count += 1
                time.sleep(0.001)
        self.assertGreater(count, 20)

    def test_state_and_resume(self):
        whole = self.model.generate("a dog", steps=6, seed=8)
        with self.model.start("a dog", steps=6, seed=8, keep_state_every=2, on_step=lambda step: step.step < 5) as job:
            job.wait()
            state = job.take_state()
        self.assertEqual(state.step, 4)
        for resume in (state, state.data):
            self.assertEqual(self.model.generate("a dog", steps=6, seed=8, resume=resume).tobytes(), whole.tobytes())

    def test_messages(self):
        said = []
        self.model.generate(
            "a dog",
            negative="word " * 200,
            emphasis="off",
            steps=1,
            log=lambda level, message: said.append((level, message)),
        )
        self.assertTrue(any(level == "warning" and "token" in message for level, message in said), said)
        with self.assertLogs("daub", "WARNING"):
            self.model.generate("a dog", negative="word " * 200, emphasis="off", steps=1)


class CtrlC(unittest.TestCase):
    def interrupt(self, body):
        program = subprocess.Popen(
            [
                sys.executable,
                "-c",
                """
import daub, time
with daub.Model() as model:
    model.generate("a dog", steps=1)
    print("ready", flush=True)
    try:
        %s
    except KeyboardInterrupt:
        print("interrupted", flush=True)
""" % body,
            ],
            stdout=subprocess.PIPE,
            text=True,
            env=dict(os.environ, PYTHONPATH=harness.PYTHON),
        )
        self.addCleanup(program.kill)
        self.assertEqual(program.stdout.readline(), "ready\n")
        time.sleep(1)
        start = time.monotonic()
        program.send_signal(signal.SIGINT)
        out, _ = program.communicate(timeout=60)
        self.assertEqual((out, program.returncode), ("interrupted\n", 0))
        self.assertLess(time.monotonic() - start, 10)

    def test_ctrl_c_ends_generate(self):
        self.interrupt("model.generate('a dog', steps=900)")

    def test_ctrl_c_ends_an_iteration(self):
        self.interrupt("[event for event in model.start('a dog', steps=900)]")


if __name__ == "__main__":
    unittest.main()
