"""Pictures in: one is drawn anew in part (img2img), and then only where a mask is white (inpainting): painting.py"""

import daub
import numpy

with daub.Model() as model:
    apple = model.generate("a red apple", seed=3)
    other = model.generate("a green apple", seed=3, init=apple, strength=0.7)
    other.save("green.png")

    mask = numpy.zeros((apple.height, apple.width), numpy.uint8)
    mask[:, apple.width // 2 :] = 255
    half = model.generate("a blue heart", seed=1, init=apple.array, mask=mask)
    half.save("half.png")
    kept = mask == 0
    print("kept to the byte:", bool((half.array[kept] == apple.array[kept]).all()))
