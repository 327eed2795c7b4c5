"""What becomes of a picture while it is drawn, and a second one that is cancelled on the way: progress.py"""

import daub

with daub.Model() as model:
    with model.start("a blue heart", steps=12, preview="linear", preview_every=4) as job:
        for event in job:
            if event.preview:
                print(
                    "step %d: %s, mean colour %s"
                    % (event.step, event.preview, event.preview.array.mean((0, 1)).round())
                )
            elif event.phase == "denoise":
                print("step %d of %d, %.1f s" % (event.step, event.n_steps, event.seconds))
        job.result().save("heart.png")

    try:
        model.generate("a blue heart", steps=12, on_progress=lambda event: event.step < 3)
    except daub.Cancelled as error:
        print(error)
