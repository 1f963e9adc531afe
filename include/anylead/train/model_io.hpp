// Encoders from files: our checkpoints, safetensors, and PyTorch checkpoints of the reference implementation.
#pragma once

#include <string>

#include <anylead/core/config.hpp>
#include <anylead/io/array.hpp>
#include <anylead/ssl/pretrain_model.hpp>
#include <anylead/train/settings.hpp>

namespace anylead::train {

/// A model's parameters and what they were made for.
struct ModelFile {
  io::Arrays arrays;
  std::string prefix;  ///< of the encoder's names: "encoder." for a fine-tuned model
  Settings settings;   ///< of the run, where the file tells; the model's sizes always are those of the arrays
  std::string source;  ///< the file, for messages
};

/// Opens a run folder (its best checkpoint, else the last), a checkpoint folder, a .safetensors file or a .pt file of
/// fairseq-signals. Sizes follow from the shapes of the arrays; what shapes do not tell comes from the file's own
/// configuration. A file without one has post-norm layers, as every published checkpoint, and `heads` attention heads.
/// @throws IoError, FormatError; OptionError if neither the file nor `heads` tells the number of heads, or the two disagree
ANYLEAD_INLINE ModelFile open_model(const std::string& path, Index heads = 0);

/// The encoder of such a file, on a device. @throws FormatError listing what does not fit
ANYLEAD_INLINE ssl::EcgEncoder<float> load_encoder(const ModelFile& file, const Device& device);

/// Sizes of a state dict as options; everything that shapes tell is set. @throws FormatError if it is no encoder of this kind
ANYLEAD_INLINE ssl::PretrainOptions options_of(const ModelFile& file);

}  // namespace anylead::train

#ifndef ANYLEAD_COMPILED
#include <anylead/train/model_io.ipp>
#endif
