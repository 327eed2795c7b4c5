"""A picture again from what its file says, and its neighbours by seed: again.py [FILE]

Without a file it draws one first.
"""

import dataclasses
import sys

import daub

with daub.Model() as model:
    path = sys.argv[1] if len(sys.argv) > 1 else "first.png"
    if len(sys.argv) == 1:
        model.generate("a blue heart", steps=4, seed=11).save(path)
    said = daub.read_parameters(path)
    print("%s: %r, seed %s, by %s" % (path, said.prompt, said.seed, said.software))
    again = model.generate(again=said)
    print("the same" if again.tobytes() == daub.read_image(path).tobytes() else "another picture")
    for seed in (again.seed + 1, again.seed + 2):
        model.generate(again=dataclasses.replace(said, seed=seed)).save("seed-%d.png" % seed)
