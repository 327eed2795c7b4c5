// test_hpp.cpp - daub.hpp and daub_parameters.hpp in C++17: handles move and destroy in any order, failures are exceptions, what
// callbacks throw comes out of wait, and a picture is drawn again from its text.
#include "daub.hpp"
#include "daub_parameters.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <type_traits>

#define REQUIRE(cond)                                                                \
    do {                                                                             \
        if (!(cond)) {                                                               \
            std::fprintf(stderr, "%s:%d: REQUIRE(%s)\n", __FILE__, __LINE__, #cond); \
            std::exit(1);                                                            \
        }                                                                            \
    } while (0)

template <typename T> constexpr bool moves_only()
{
    return !std::is_copy_constructible_v<T> && !std::is_copy_assignable_v<T> &&
           std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T>;
}
static_assert(moves_only<daub::image>() && moves_only<daub::floats>() && moves_only<daub::job>() &&
              moves_only<daub::parameters>());
static_assert(std::is_nothrow_move_constructible_v<daub::device> && std::is_nothrow_move_constructible_v<daub::model>);

static daub::generate_params star(std::uint32_t steps)
{
    daub::generate_params p;
    p.prompt = "a star";
    p.n_steps = steps;
    return p;
}

static daub::model load()
{
    daub::device dev; // the model keeps it
    return daub::model(dev);
}

// A text that a picture could carry draws the same bytes again.
static void parameters_of(const daub::model &model)
{
    daub::generate_params params = star(2);
    params.seed = 7;
    model.apply_style("vivid", params);
    REQUIRE(params.guidance_scale > model.info().guidance_scale);
    daub::result used;
    const daub::image first = model.generate(params, &used);
    daub::parameters said = daub::parameters::describe(params, used, model.info());
    said->model_hash = "0123456789";
    const std::string text = said.text();
    REQUIRE(text.find("a star\nSteps: 2, ") == 0 && text.find("Model hash: 0123456789") != std::string::npos);

    daub::parameters read = daub::parameters::parse("x");
    read = daub::parameters::parse(text.c_str());
    REQUIRE(read->seed == 7 && read->has_seed && read.text() == text && read.find_vae().empty());
    daub::generate_params again;
    read.apply(again);
    const daub::image second = model.generate(again);
    REQUIRE(second.size() == first.size() && std::memcmp(first.data(), second.data(), first.size()) == 0);

    const std::string pgm("P5 2 1 255\nab");
    daub_source source {};
    source.data = pgm.data();
    source.size = pgm.size();
    REQUIRE(daub::image::read(source).size() == 2);
    try {
        daub::parameters::picture_text(source);
        REQUIRE(false);
    } catch (const daub::error &e) {
        REQUIRE(e.status() == DAUB_ERROR_BAD_FILE);
    }
    try {
        daub::parameters::read("/no/such/picture.png");
        REQUIRE(false);
    } catch (const daub::error &e) {
        REQUIRE(e.status() == DAUB_ERROR_IO && std::strstr(e.what(), "/no/such/picture.png"));
    }
    try {
        model.apply_style("vivd", params);
        REQUIRE(false);
    } catch (const daub::error &e) {
        REQUIRE(e.status() == DAUB_ERROR_INVALID_ARG && std::strstr(e.what(), "vivid"));
    }
}

int main()
{
    try {
        daub::device dev;
        daub::model gone(dev, "/no/such/model");
        REQUIRE(false);
    } catch (const daub::error &e) {
        REQUIRE(e.status() == DAUB_ERROR_IO && std::strstr(e.what(), "/no/such/model"));
    }
    REQUIRE(!daub::device::list().empty());
    REQUIRE(daub::model::inspect(nullptr).text);

    daub::model model = load();
    REQUIRE(model.info().latent_channels == 16);
    REQUIRE(model.estimate(star(2)).peak > 0);
    daub::result result;
    daub::image a = model.generate(star(2), &result);
    REQUIRE(result.n_steps == 2 && a.size() == 64 * 64 * 3);

    // A job with callbacks, which outlives its model's handle.
    unsigned n_progress = 0, n_previews = 0, n_steps = 0;
    daub::callbacks hooks;
    hooks.progress = [&](const daub_progress &) { return ++n_progress > 0; };
    hooks.preview = [&](const daub_preview &p) { n_previews += p.width == 8; };
    hooks.step = [&](daub::step &s) {
        n_steps++;
        s.write(s.read());
        return s.info().channels == 16;
    };
    daub::generate_params with_floats = star(2);
    with_floats.keep_floats = true;
    daub::job job = model.submit(with_floats, hooks);
    daub::model other = std::move(model);
    while (!job.wait_for(std::chrono::milliseconds(20)))
        REQUIRE(job.progress().n_steps == 2);
    daub::image b = job.take_image();
    REQUIRE(std::memcmp(a.data(), b.data(), a.size()) == 0);
    REQUIRE(n_progress >= 5 && n_previews == 2 && n_steps == 2);
    const daub::floats latents = job.take_latents();
    REQUIRE(latents.size() == 16 * 8 * 8 && job.take_floats().dim(0) == 3 && job.result().n_steps == 2);
    daub::image again = other.decode(star(2), latents.data());
    REQUIRE(std::memcmp(b.data(), again.data(), b.size()) == 0);
    b = std::move(a);
    REQUIRE(b.width() == 64);

    // Exceptions from callbacks cancel, and come out of wait.
    daub::callbacks bad;
    bad.step = [](daub::step &) -> bool { throw std::out_of_range("mine"); };
    try {
        daub::job throws = other.submit(star(4), bad);
        throws.wait();
        REQUIRE(false);
    } catch (const std::out_of_range &e) {
        REQUIRE(std::string(e.what()) == "mine");
    }
    try {
        daub::job cancelled = other.submit(star(100));
        cancelled.cancel();
        cancelled.wait();
        REQUIRE(false);
    } catch (const daub::error &e) {
        REQUIRE(e.status() == DAUB_ERROR_CANCELLED);
    }
    // One that still runs ends when another takes its place, and its callbacks with it.
    daub::job replaced = other.submit(star(100), hooks);
    while (replaced.progress().step == 0)
        REQUIRE(!replaced.wait_for(std::chrono::milliseconds(1)));
    replaced = other.submit(star(1));
    replaced.wait();
    REQUIRE(replaced.take_image().width() == 64);

    // Driven by this thread, and from a state of another one: the same picture.
    const daub::image whole = other.generate(star(3));
    daub::generate_params params = star(3);
    params.host_driven = true;
    params.keep_state_every = 2;
    daub::job driven = other.submit(params);
    double submitted = 0.0;
    for (daub::advance step; !step.done; submitted += step.submitted_us)
        step = driven.advance(20000);
    REQUIRE(submitted > 0.0);
    daub::image c = driven.take_image();
    REQUIRE(std::memcmp(whole.data(), c.data(), c.size()) == 0);
    const daub::state state = driven.take_state();
    REQUIRE(state->step == 2);
    params.host_driven = false;
    params.resume_state = state->data;
    params.resume_size = state->size;
    daub::image d = other.generate(params);
    REQUIRE(std::memcmp(whole.data(), d.data(), d.size()) == 0);

    parameters_of(other);
    const auto [prompt, negative] = other.encode(star(1));
    REQUIRE(prompt.n_dims() == 2 && prompt.size() == negative.size());
    return 0;
}
