// daub_parameters.hpp - daub_parameters.h for C++17, behind daub.hpp.
//
//     const daub::parameters said = daub::parameters::read("fox.png");
//     daub::generate_params params;
//     said.apply(params);
//     daub::image fox = model.generate(params);
#ifndef DAUB_PARAMETERS_HPP
#define DAUB_PARAMETERS_HPP
#include "daub.hpp"
#include "daub_parameters.h"

#include <cstddef>
#include <memory>
#include <string>

namespace daub
{

// What a picture says of itself, freed with the object.
class parameters : public taken<::daub_parameters, daub_parameters_free>
{
  public:
    using taken::taken;

    // Of a PNG or JPEG.
    static parameters read(const daub_source &source)
    {
        sized<::daub_parameters> out;
        check(daub_parameters_read(&source, &out));
        return parameters(out);
    }
    static parameters read(const char *path)
    {
        daub_source source {};
        source.path = path;
        return read(source);
    }
    static parameters parse(const char *text)
    {
        sized<::daub_parameters> out;
        check(daub_parameters_parse(text, &out));
        return parameters(out);
    }
    // Of a picture that was made so. What only its maker knows is set through ->, and has to live until text().
    static parameters describe(const generate_params &params, const daub::result &used, const daub::model_info &model)
    {
        sized<::daub_parameters> out;
        check(daub_parameters_describe(&params, &used, &model, &out));
        return parameters(out);
    }
    // Fills those fields of params that are zero, and lends them strings for as long as this object lives.
    void apply(generate_params &params) const
    {
        check(daub_parameters_apply(&value_, &params));
    }
    // As pictures carry it.
    std::string text() const
    {
        char *out = nullptr;
        check(daub_parameters_write(&value_, &out));
        return owned(out);
    }
    // Paths; "" where there is none.
    std::string find_model() const
    {
        return find(daub_parameters_find_model);
    }
    std::string find_vae() const
    {
        return find(daub_parameters_find_vae);
    }
    // The text of a PNG or JPEG as it stands there.
    static std::string picture_text(const daub_source &source)
    {
        char *out = nullptr;
        check(daub_picture_text(&source, &out));
        return owned(out);
    }
    ::daub_parameters *operator->() noexcept
    {
        return &value_;
    }
    const ::daub_parameters *operator->() const noexcept
    {
        return &value_;
    }

  private:
    static std::string owned(char *text)
    {
        const std::unique_ptr<char, void (*)(char *)> frees(text, daub_text_free);
        return std::string(text);
    }
    std::string find(daub_status (*function)(const ::daub_parameters *, char *, std::size_t, bool *)) const
    {
        char path[4096];
        bool found = false;
        check(function(&value_, path, sizeof(path), &found));
        return found ? path : "";
    }
};

} // namespace daub
#endif
