"""python: the declarations are those of include/daub.h, by its text and by what a compiler says of it."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from ctypes import sizeof

import harness

MAKE = os.path.join(harness.PYTHON, "make_abi.py")
HEADER = os.path.join(harness.SOURCE, "include", "daub.h")


class Abi(unittest.TestCase):
    def test_regenerating_gives_the_same_file(self):
        done = subprocess.run([sys.executable, MAKE, "--check", HEADER], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_a_changed_header_is_noticed(self):
        with tempfile.TemporaryDirectory() as folder, open(HEADER, encoding="utf-8") as file:
            changed = os.path.join(folder, "daub.h")
            with open(changed, "w", encoding="utf-8") as out:
                out.write(file.read().replace("uint32_t n_steps;", "uint64_t n_steps;", 1))
            done = subprocess.run([sys.executable, MAKE, "--check", changed], capture_output=True)
            self.assertEqual(done.returncode, 1)

    def test_sizes_and_offsets_are_the_compilers(self):
        compiler = os.environ.get("DAUB_CC") or shutil.which("cc")
        if not compiler:
            self.skipTest("no C compiler")
        from daub import _abi
        with tempfile.TemporaryDirectory() as folder:
            source, program = os.path.join(folder, "probe.c"), os.path.join(folder, "probe")
            with open(source, "wb") as file:
                file.write(subprocess.run([sys.executable, MAKE, "--probe", HEADER], check=True,
                capture_output=True).stdout)
            subprocess.run([compiler, "-std=c11", "-I", os.path.dirname(HEADER), "-o", program, source], check=True)
            lines = subprocess.run([program], check=True, capture_output=True, text=True).stdout.splitlines()
        fields = 0
        for line in lines:
            name, *numbers = line.split()
            numbers = tuple(map(int, numbers))
            if "." in name:
                struct, field = name.split(".")
                descriptor = getattr(getattr(_abi, struct), field)
                self.assertEqual((descriptor.offset, descriptor.size), numbers, name)
                fields += 1
            elif name.startswith("DAUB_"):
                self.assertEqual(getattr(_abi, name), numbers[0], name)
            else:
                self.assertEqual(sizeof(getattr(_abi, name)), numbers[0], name)
        self.assertGreater(fields, 150)

    def test_dataclasses_have_every_field(self):
        import dataclasses

        from daub import _abi, _info
        for kind, struct in ((_info.Result, _abi.daub_result), (_info.DeviceInfo, _abi.daub_device_info),
                             (_info.ModelInfo, _abi.daub_model_info), (_info.SamplerInfo, _abi.daub_sampler_info),
                             (_info.ScheduleInfo, _abi.daub_schedule_info), (_info.Limits, _abi.daub_limits),
            (_info.StyleInfo, _abi.daub_style_info),
                             (_info.Estimate, _abi.daub_memory_estimate), (_info.PhaseMemory, _abi.daub_phase_memory)):
            wanted = [name for name, *_ in struct._fields_ if name != "struct_size"]
            self.assertEqual(sorted(field.name for field in dataclasses.fields(kind)), sorted(wanted), kind)


if __name__ == "__main__":
    unittest.main()
