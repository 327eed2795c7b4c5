"""From a prompt to a file: apple.py [PROMPT] [FILE]"""

import sys

import daub

prompt = sys.argv[1] if len(sys.argv) > 1 else "a red apple"
path = sys.argv[2] if len(sys.argv) > 2 else "apple.png"

with daub.Model() as model:
    image = model.generate(prompt, seed=3)
    image.save(path)
    print("%s: %dx%d, seed %d" % (path, image.width, image.height, image.seed))
