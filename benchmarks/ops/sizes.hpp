// Sizes of the ops in a training step of a named model. Letters and defaults: @see core/dims.hpp, train/settings.hpp
#pragma once

#include <string>

#include <anylead/core/dims.hpp>
#include <anylead/train/settings.hpp>

namespace anylead::bench {

struct Sizes {
  std::string name;  ///< base, small
  Index batch, samples;
  ssl::EncoderOptions encoder;
  ssl::W2vOptions w2v;
  Index frames, rows;  ///< of a segment behind the extractor, of the batch
  Index masked;        ///< frames of the batch that the local loss looks at: spans of 10 cover 49 % at the default rate

  Index width() const { return encoder.width; }
  Index activations() const { return rows * encoder.width; }

  /// Block i of the feature extractor.
  Conv1dDims block(std::size_t i) const {
    Conv1dDims d = {batch, samples, encoder.leads, encoder.conv[0].channels, 0, 0, 0, 1};
    for (std::size_t k = 0; k <= i; ++k) {
      if (k > 0) d = {batch, d.out_time(), d.out, encoder.conv[k].channels, 0, 0, 0, 1};
      d.taps = encoder.conv[k].taps;
      d.stride = encoder.conv[k].stride;
    }
    return d;
  }

  Conv1dDims position() const {
    return {batch, frames, width(), width(), encoder.position_taps, 1, encoder.position_taps / 2, encoder.position_groups};
  }

  AttentionDims attention() const { return {batch, frames, encoder.heads, width() / encoder.heads}; }

  QuantizeDims quantizer() const { return {masked, w2v.groups, w2v.entries, w2v.final_width / w2v.groups}; }

  ContrastDims contrast() const { return {masked, masked, w2v.final_width, w2v.negatives.own}; }
};

inline Sizes sizes_of(const std::string& config, Index batch, Index samples) {
  train::Settings settings;
  train::apply_config(settings, config);
  train::resolve(settings);
  Sizes s = {config, batch, samples, settings.model.encoder, settings.model.w2v, 0, 0, 0};
  s.frames = s.block(s.encoder.conv.size() - 1).out_time();
  s.rows = batch * s.frames;
  s.masked = s.rows * 49 / 100;
  return s;
}

}  // namespace anylead::bench
