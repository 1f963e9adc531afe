// The feature extractor's layers as text, in the notation of the reference's configuration files.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <anylead/core/error.hpp>
#include <anylead/nn/conv_features.hpp>

namespace anylead::ssl {

/// "[(256, 2, 2)] * 4 + [(512, 3, 2)]": lists of (channels, taps, stride), repeated and joined. @throws OptionError naming the
/// place
inline std::vector<nn::ConvLayer> parse_conv_layers(std::string_view text) {
  std::size_t at = 0;
  const auto skip = [&] {
    while (at < text.size() && text[at] == ' ') ++at;
  };
  const auto next = [&](char c) {
    skip();
    if (at >= text.size() || text[at] != c) return false;
    ++at;
    return true;
  };
  const auto need = [&](char c) {
    ANYLEAD_CHECK(next(c), OptionError, "convolution layers", "expected '", c, "' at character ", at + 1, " of ", text,
                  "; the form is [(channels, taps, stride)] * n + ...");
  };
  const auto number = [&] {
    skip();
    Index n = 0;
    const std::size_t first = at;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9' && at - first < 9; ++at) n = 10 * n + (text[at] - '0');
    ANYLEAD_CHECK(at > first && n > 0, OptionError, "convolution layers", "expected a positive number at character ", first + 1,
                  " of ", text);
    return n;
  };
  std::vector<nn::ConvLayer> layers;
  do {
    std::vector<nn::ConvLayer> list;
    need('[');
    do {
      nn::ConvLayer layer;
      need('(');
      layer.channels = number();
      need(',');
      layer.taps = number();
      need(',');
      layer.stride = number();
      need(')');
      list.push_back(layer);
    } while (next(','));
    need(']');
    const Index times = next('*') ? number() : 1;
    ANYLEAD_CHECK(times * static_cast<Index>(list.size()) + static_cast<Index>(layers.size()) <= 64, OptionError,
                  "convolution layers", "more than 64 layers in ", text);
    for (Index i = 0; i < times; ++i) layers.insert(layers.end(), list.begin(), list.end());
  } while (next('+'));
  skip();
  ANYLEAD_CHECK(at == text.size(), OptionError, "convolution layers", "cannot read character ", at + 1, " of ", text);
  return layers;
}

/// The inverse.
inline std::string conv_layers_text(const std::vector<nn::ConvLayer>& layers) {
  std::string text;
  for (std::size_t i = 0; i < layers.size();) {
    std::size_t n = i;
    while (n < layers.size() && layers[n] == layers[i]) ++n;
    text += str(i ? " + " : "", "[(", layers[i].channels, ", ", layers[i].taps, ", ", layers[i].stride, ")]");
    if (n - i > 1) text += str(" * ", n - i);
    i = n;
  }
  return text;
}

}  // namespace anylead::ssl
