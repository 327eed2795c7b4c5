// daub.hpp - daub.h for C++17: handles that destroy themselves, and failures as daub::error. Header only; who wants neither
// exceptions nor the standard library uses daub.h as it is.
//
//     daub::device dev;
//     daub::model  model(dev, "sd15.safetensors");
//     daub::generate_params params;
//     params.prompt = "a red fox in snow";
//     daub::image image = model.generate(params);
//
// What daub.h says of the functions holds here. What has nothing to be freed (samplers, limits, the forward process) is called as it
// is there; what pictures say of themselves is in daub_parameters.hpp. Handles are moved, never copied. A model keeps its device, and a job
// its model, so that they may be destroyed in any order. A moved-from handle can only be destroyed or assigned to.
#ifndef DAUB_HPP
#define DAUB_HPP
#include "daub.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

namespace daub
{

// A call that did not return DAUB_OK; what() is daub_last_error().
class error : public std::runtime_error
{
  public:
    error(daub_status status, const char *sentence) : std::runtime_error(sentence), status_(status)
    {
    }
    daub_status status() const noexcept
    {
        return status_;
    }

  private:
    daub_status status_;
};

inline void check(daub_status status)
{
    if (status != DAUB_OK)
        throw error(status, daub_last_error());
}

// ---- structs with their size set -------------------------------------------------------------------------------

template <typename T> struct sized : T {
    sized() noexcept : T {}
    {
        this->struct_size = sizeof(T);
    }
};
using device_params = sized<::daub_device_params>;
using model_params = sized<::daub_model_params>;
using generate_params = sized<::daub_generate_params>;
using device_info = sized<::daub_device_info>;
using model_info = sized<::daub_model_info>;
using sampler_info = sized<::daub_sampler_info>;
using schedule_info = sized<::daub_schedule_info>;
using style_info = sized<::daub_style_info>;
using progress = sized<::daub_progress>;
using advance = sized<::daub_advance>;
using result = sized<::daub_result>;
using step_info = sized<::daub_step_info>;
using memory_estimate = sized<::daub_memory_estimate>;
using limits = sized<::daub_limits>;

// ---- what is handed out ----------------------------------------------------------------------------------------

// What the library has handed over and `Free` gives back: moved, never copied.
template <typename T, void (*Free)(T *)> class taken
{
  public:
    taken() noexcept : value_ {}
    {
    }
    explicit taken(const T &value) noexcept : value_(value)
    {
    }
    taken(taken &&other) noexcept : value_(std::exchange(other.value_, T {}))
    {
    }
    taken &operator=(taken &&other) noexcept
    {
        std::swap(value_, other.value_);
        return *this;
    }
    taken(const taken &) = delete;
    taken &operator=(const taken &) = delete;
    ~taken()
    {
        Free(&value_);
    }

  protected:
    T value_;
};

// Pixels, freed with the object: height() rows of width() pixels of channels() bytes.
class image : public taken<daub_image, daub_image_free>
{
  public:
    using taken::taken;

    static image read(const daub_source &source)
    {
        daub_image out {};
        check(daub_image_read_source(&source, &out));
        return image(out);
    }
    static image read(const char *path)
    {
        daub_image out {};
        check(daub_image_read(path, &out));
        return image(out);
    }

    std::uint32_t width() const noexcept
    {
        return value_.width;
    }
    std::uint32_t height() const noexcept
    {
        return value_.height;
    }
    std::uint32_t channels() const noexcept
    {
        return value_.channels;
    }
    const std::uint8_t *data() const noexcept
    {
        return value_.pixels;
    }
    std::uint8_t *data() noexcept
    {
        return value_.pixels;
    }
    std::size_t size() const noexcept
    {
        return std::size_t { value_.width } * value_.height * value_.channels;
    }
    const daub_image &get() const noexcept
    {
        return value_;
    }
};

// A picture between two steps, for params.resume_state and resume_size.
class state : public taken<daub_state, daub_state_free>
{
  public:
    using taken::taken;

    const daub_state *operator->() const noexcept
    {
        return &value_;
    }
};

// Values of a shape, freed with the object.
class floats : public taken<daub_floats, daub_floats_free>
{
  public:
    using taken::taken;

    std::uint32_t n_dims() const noexcept
    {
        return value_.n_dims;
    }
    std::uint32_t dim(std::uint32_t i) const noexcept
    {
        return i < value_.n_dims ? value_.dims[i] : 1;
    }
    const float *data() const noexcept
    {
        return value_.values;
    }
    float *data() noexcept
    {
        return value_.values;
    }
    std::size_t size() const noexcept
    {
        std::size_t n = value_.values ? 1 : 0;
        for (std::uint32_t i = 0; i < value_.n_dims; i++)
            n *= value_.dims[i];
        return n;
    }
};

// A step that has ended, within callbacks::step only.
class step
{
  public:
    explicit step(daub_step *lent) noexcept : step_(lent)
    {
    }
    step_info info() const
    {
        step_info out;
        check(daub_step_get_info(step_, &out));
        return out;
    }
    std::vector<float> read() const
    {
        const step_info i = info();
        std::vector<float> out(std::size_t { i.channels } * i.height * i.width);
        check(daub_step_read(step_, out.data()));
        return out;
    }
    // As many values as read() gave.
    void write(const std::vector<float> &latents)
    {
        const step_info i = info();
        if (latents.size() != std::size_t { i.channels } * i.height * i.width)
            throw error(DAUB_ERROR_INVALID_ARG, "daub::step::write: not as many values as the latents have");
        check(daub_step_write(step_, latents.data()));
    }

  private:
    daub_step *step_;
};

// Called on the job's thread. What one throws cancels the job, and job::wait throws it again.
struct callbacks {
    std::function<bool(const daub_progress &)> progress; // false cancels
    std::function<void(const daub_preview &)> preview;
    std::function<bool(daub::step &)> step; // false cancels
};

// ---- devices and models ----------------------------------------------------------------------------------------

class device
{
  public:
    explicit device(const device_params &params = device_params())
    {
        daub_device *made = nullptr;
        check(daub_device_create(&params, &made));
        handle_.reset(made, [](daub_device *d) { daub_device_destroy(&d); });
    }
    // Takes over what another call made, of daub_vulkan.h say.
    explicit device(daub_device *made) : handle_(made, [](daub_device *d) { daub_device_destroy(&d); })
    {
    }
    device(device &&) noexcept = default;
    device &operator=(device &&) noexcept = default;

    static std::vector<device_info> list(const device_params &params = device_params())
    {
        std::uint32_t n = 0;
        check(daub_device_list(&params, nullptr, 0, &n));
        std::vector<device_info> all(n);
        if (n > 0)
            check(daub_device_list(&params, all.data(), n, &n));
        all.resize(n < all.size() ? n : all.size());
        return all;
    }
    device_info info() const
    {
        device_info out;
        check(daub_device_get_info(get(), &out));
        return out;
    }
    daub_device *get() const noexcept
    {
        return handle_.get();
    }

  private:
    friend class model;
    std::shared_ptr<daub_device> handle_;
};

class job;

class model
{
  public:
    // `path` nullptr: the default model, or what params.source or params.files has.
    explicit model(const device &dev, const char *path = nullptr, const model_params &params = model_params())
    {
        daub_model *made = nullptr;
        check(daub_model_load(dev.get(), path, &params, &made));
        handle_.reset(made, [keep = dev.handle_](daub_model *m) { daub_model_destroy(&m); });
    }
    model(model &&) noexcept = default;
    model &operator=(model &&) noexcept = default;

    static model_info inspect(const char *path, const model_params &params = model_params())
    {
        model_info out;
        check(daub_model_inspect(path, &params, &out));
        return out;
    }
    model_info info() const
    {
        model_info out;
        check(daub_model_get_info(get(), &out));
        return out;
    }
    image generate(const generate_params &params, daub::result *used = nullptr) const
    {
        daub_image out {};
        check(daub_generate_with_result(get(), &params, &out, used));
        return image(out);
    }
    inline job submit(const generate_params &params, callbacks hooks = callbacks()) const;
    memory_estimate estimate(const generate_params &params) const
    {
        memory_estimate out;
        check(daub_estimate(get(), &params, &out));
        return out;
    }
    // Embeddings of the prompt and of the negative one.
    std::pair<floats, floats> encode(const generate_params &params) const
    {
        daub_floats prompt {}, negative {};
        check(daub_encode_text_floats(get(), &params, &prompt, &negative));
        return { floats(prompt), floats(negative) };
    }
    // What the style sets of fields that are at their default.
    void apply_style(const char *style, generate_params &params) const
    {
        check(daub_style_apply(get(), style, &params));
    }
    // The picture of latents of params' size, see daub_decode_latents.
    image decode(const generate_params &params, const float *latents) const
    {
        daub_image out {};
        check(daub_decode_latents(get(), &params, latents, &out));
        return image(out);
    }
    daub_model *get() const noexcept
    {
        return handle_.get();
    }

  private:
    friend class job;
    std::shared_ptr<daub_model> handle_;
};

// ---- jobs ------------------------------------------------------------------------------------------------------

// Destroying one that still runs cancels it and waits.
class job
{
  public:
    job(job &&) noexcept = default;
    job &operator=(job &&other) noexcept
    {
        handle_ = std::move(other.handle_); // ends the one that was here, before what its callbacks use goes
        state_ = std::move(other.state_);
        return *this;
    }

    // Until it has ended; throws what it failed with.
    void wait()
    {
        ended(daub_job_wait(get(), UINT64_MAX, nullptr));
    }
    // Whether it has ended by then.
    template <typename Rep, typename Period> bool wait_for(std::chrono::duration<Rep, Period> most)
    {
        bool done = false;
        const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(most).count();
        ended(daub_job_wait(get(), ns > 0 ? static_cast<std::uint64_t>(ns) : 0, &done));
        return done;
    }
    void cancel() noexcept
    {
        daub_job_cancel(get());
    }
    daub::progress progress() const
    {
        daub::progress out;
        check(daub_job_get_progress(get(), &out));
        return out;
    }
    daub::result result() const
    {
        daub::result out;
        check(daub_job_get_result(get(), &out));
        return out;
    }
    image take_image()
    {
        daub_image out {};
        check(daub_job_take_image(get(), &out));
        return image(out);
    }
    floats take_latents()
    {
        daub_floats out {};
        check(daub_job_take_latents(get(), &out));
        return floats(out);
    }
    floats take_floats()
    {
        daub_floats out {};
        check(daub_job_take_floats(get(), &out));
        return floats(out);
    }
    // Of a host_driven job; throws what the job failed with.
    daub::advance advance(std::uint64_t budget_us)
    {
        daub::advance out;
        ended(daub_job_advance(get(), budget_us, &out));
        return out;
    }
    // The newest one that params.keep_state_every kept, of a job that has ended, well or not.
    state take_state()
    {
        daub_state out {};
        check(daub_job_take_state(get(), &out));
        return state(out);
    }
    daub_job *get() const noexcept
    {
        return handle_.get();
    }

  private:
    friend class model;
    struct shared { // outlives the job
        callbacks hooks;
        std::exception_ptr thrown;
        std::shared_ptr<daub_model> model;

        template <typename F> bool guard(F call) noexcept
        {
            try {
                return !thrown && call();
            } catch (...) {
                thrown = std::current_exception();
                return false;
            }
        }
    };
    struct destroy {
        void operator()(daub_job *j) const noexcept
        {
            daub_job_destroy(&j);
        }
    };

    job(const class model &from, generate_params params, callbacks hooks) : state_(new shared)
    {
        state_->hooks = std::move(hooks);
        state_->model = from.handle_;
        params.user = state_.get();
        // Progress is always asked for: a preview that threw cancels at the next of these.
        params.on_progress = [](void *user, const daub_progress *p) {
            auto *s = static_cast<shared *>(user);
            return s->guard([&] { return !s->hooks.progress || s->hooks.progress(*p); });
        };
        if (state_->hooks.preview)
            params.on_preview = [](void *user, const daub_preview *p) {
                auto *s = static_cast<shared *>(user);
                s->guard([&] { return s->hooks.preview(*p), true; });
            };
        if (state_->hooks.step)
            params.on_step = [](void *user, daub_step *p) {
                auto *s = static_cast<shared *>(user);
                return s->guard([&] {
                    daub::step lent(p);
                    return s->hooks.step(lent);
                });
            };
        daub_job *made = nullptr;
        check(daub_job_submit(from.get(), &params, &made));
        handle_.reset(made);
    }
    void ended(daub_status status) const
    {
        if (status != DAUB_OK && state_->thrown)
            std::rethrow_exception(state_->thrown);
        check(status);
    }

    std::unique_ptr<shared> state_; // destroyed after the job
    std::unique_ptr<daub_job, destroy> handle_;
};

inline job model::submit(const generate_params &params, callbacks hooks) const
{
    return job(*this, params, std::move(hooks));
}

} // namespace daub
#endif
