"""python: the declarations are those of the headers in include/, by their text and by what a compiler says of them."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from ctypes import sizeof

import harness

MAKE = os.path.join(harness.PYTHON, "make_abi.py")
HEADERS = os.path.join(harness.SOURCE, "include")


class Abi(unittest.TestCase):
    def test_regenerating_gives_the_same_file(self):
        done = subprocess.run([sys.executable, MAKE, "--check", HEADERS], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_a_changed_header_is_noticed(self):
        for name, was, now in (
            ("daub.h", "uint32_t n_steps;", "uint64_t n_steps;"),
            ("daub_parameters.h", "bool has_seed;", "int has_seed;"),
            ("daub_tools.h", "daub_tools_vae_hash(const char *path", "daub_tools_vae_hash(size_t path"),
        ):
            with tempfile.TemporaryDirectory() as folder:
                changed = shutil.copytree(HEADERS, os.path.join(folder, "include"))
                with open(os.path.join(changed, name), encoding="utf-8") as file:
                    text = file.read()
                self.assertIn(was, text)
                with open(os.path.join(changed, name), "w", encoding="utf-8") as out:
                    out.write(text.replace(was, now, 1))
                done = subprocess.run([sys.executable, MAKE, "--check", changed], capture_output=True)
                self.assertEqual(done.returncode, 1, name)

    def test_sizes_and_offsets_are_the_compilers(self):
        compiler = os.environ.get("DAUB_CC") or shutil.which("cc")
        if not compiler:
            self.skipTest("no C compiler")
        from daub import _abi
        with tempfile.TemporaryDirectory() as folder:
            source, program = os.path.join(folder, "probe.c"), os.path.join(folder, "probe")
            with open(source, "wb") as file:
                file.write(subprocess.run([sys.executable, MAKE, "--probe", HEADERS], check=True,
                capture_output=True).stdout)
            subprocess.run([compiler, "-std=c11", "-I", HEADERS, "-o", program, source], check=True)
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

        from daub import _abi, _info, _parameters
        for kind, struct in ((_info.Result, _abi.daub_result), (_info.DeviceInfo, _abi.daub_device_info),
                             (_info.ModelInfo, _abi.daub_model_info), (_info.SamplerInfo, _abi.daub_sampler_info),
                             (_info.ScheduleInfo, _abi.daub_schedule_info), (_info.Limits, _abi.daub_limits),
                             (_info.StyleInfo, _abi.daub_style_info),
                             (_parameters.Parameters, _abi.daub_parameters),
                             (_info.Estimate, _abi.daub_memory_estimate), (_info.PhaseMemory, _abi.daub_phase_memory)):
            wanted = [name for name, *_ in struct._fields_ if name not in ("struct_size", "owned", "has_seed")]
            self.assertEqual(sorted(field.name for field in dataclasses.fields(kind)), sorted(wanted), kind)


if __name__ == "__main__":
    unittest.main()
