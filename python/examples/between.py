"""Pictures between two prompts: their text embeddings mixed, side by side: between.py [FILE]"""

import sys

import daub
import numpy

path = sys.argv[1] if len(sys.argv) > 1 else "between.png"
count = 5

with daub.Model() as model:
    apple, nothing = model.encode_pair("a red apple", "")
    heart = model.encode("a blue heart")
    row = [
        model.generate(prompt_embeds=(1 - t) * apple + t * heart, negative_embeds=nothing, steps=10).array
        for t in numpy.linspace(0, 1, count)
    ]
    strip = numpy.concatenate(row, axis=1)
    daub.Image(strip.shape[1], strip.shape[0], 3, strip.tobytes()).save(path)
    print("%s: %d pictures" % (path, len(row)))
