// Checkpoints that PyTorch wrote: files of torch.save, read without running any of their code.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <anylead/io/array.hpp>

namespace anylead::io {

/// What a training checkpoint of fairseq-signals tells, or a bare state dict.
struct TorchCheckpoint {
  Arrays model;                      ///< the state dict under "model", or the whole file if it is one; views into the file
  std::string cfg_json;              ///< "cfg" as JSON; empty if there is none. What is no plain value is null there
  std::optional<Index> num_updates;  ///< of the last entry of "optimizer_history"
};

/// Reads a file of torch.save in the form that torch has had since 1.6 (a ZIP archive with a pickle of protocol 2).
///
/// A pickle is a program. This reader knows collections.OrderedDict, torch._utils._rebuild_tensor_v2 and _rebuild_parameter,
/// and torch's storages; nothing is ever imported or called. Other globals may stand in parts that are not read (metrics, say);
/// within the model they are refused by name. Offsets and strides of tensors are honoured: a tensor that lies contiguous in its
/// storage is a view, another one is copied.
/// @throws IoError, FormatError
ANYLEAD_INLINE TorchCheckpoint load_torch_checkpoint(const std::string& path);

/// The same for bytes in memory; `file` names them in messages.
ANYLEAD_INLINE TorchCheckpoint parse_torch_checkpoint(const Bytes& bytes, std::string_view file);

}  // namespace anylead::io

#ifndef ANYLEAD_COMPILED
#include <anylead/io/torch_pickle.ipp>
#endif
