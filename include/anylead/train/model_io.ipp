#pragma once

#include <algorithm>
#include <filesystem>
#include <optional>

#include <nlohmann/json.hpp>

#include <anylead/core/mapped_file.hpp>
#include <anylead/io/checkpoint.hpp>
#include <anylead/io/safetensors.hpp>
#include <anylead/io/state_dict.hpp>
#include <anylead/io/torch_pickle.hpp>
#include <anylead/nn/init.hpp>
#include <anylead/train/model_io.hpp>
#include <anylead/train/settings_json.hpp>

namespace anylead::train {

namespace detail {

/// What the reference's configuration says beyond the shapes. Its keys are those of `cfg.model`.
ANYLEAD_INLINE void apply_reference_config(Settings& s, const std::string& cfg_json) {
  const auto cfg = nlohmann::json::parse(cfg_json, nullptr, false);
  if (!cfg.is_object() || !cfg.contains("model") || !cfg.at("model").is_object()) return;
  const auto& model = cfg.at("model");
  const auto read = [&](const char* key, auto& value) {
    using V = std::remove_reference_t<decltype(value)>;
    if (!model.contains(key)) return;
    const auto& stored = model.at(key);
    if constexpr (std::is_same_v<V, bool>) {
      if (stored.is_boolean()) value = stored.get<bool>();
    } else if constexpr (std::is_integral_v<V>) {
      if (stored.is_number_integer()) value = stored.get<V>();
    } else if (stored.is_number()) {
      value = stored.get<V>();
    }
  };
  auto& e = s.model.encoder;
  read("layer_norm_first", e.norm_first);
  read("encoder_attention_heads", e.heads);
  read("dropout", e.dropout);
  read("attention_dropout", e.attention_dropout);
  read("activation_dropout", e.activation_dropout);
  read("dropout_input", e.input_dropout);
  read("feature_grad_mult", e.feature_gradient);
  if (model.contains("conv_feature_layers") && model.at("conv_feature_layers").is_string())
    s.conv = model.at("conv_feature_layers").get<std::string>();
}

}  // namespace detail

ANYLEAD_INLINE ModelFile open_model(const std::string& path, Index heads) {
  namespace fs = std::filesystem;
  ModelFile m;
  m.source = path;
  bool configured = false;
  if (fs::is_directory(path)) {
    std::string folder = path;
    if (!fs::exists(fs::path(path) / "model.safetensors")) {
      const io::CheckpointFolder checkpoints(path);
      const auto step = checkpoints.best() ? checkpoints.best() : checkpoints.last();
      if (!step) throw IoError(str(path, ": neither a run folder with checkpoints nor a checkpoint with model.safetensors"));
      folder = checkpoints.path(*step);
    }
    m.source = folder + "/model.safetensors";
    m.arrays = io::load_safetensors(m.source).arrays;
    const std::string state = folder + "/state.json";
    const auto json = nlohmann::json::parse(read_text(state), nullptr, false);
    if (!json.is_object() || !json.contains("settings")) throw FormatError(state, "", "expected an object with settings");
    m.settings = settings_from_json(json.at("settings").dump(), state);
    configured = true;
  } else if (path.ends_with(".safetensors")) {
    auto file = io::load_safetensors(path);
    m.arrays = std::move(file.arrays);
    if (const auto s = file.metadata.find("settings"); s != file.metadata.end()) {
      m.settings = settings_from_json(s->second, path);
      configured = true;
    }
  } else {
    auto checkpoint = io::load_torch_checkpoint(path);
    m.arrays = std::move(checkpoint.model);
    m.settings.model.encoder.heads = 0;
    detail::apply_reference_config(m.settings, checkpoint.cfg_json);
    configured = m.settings.model.encoder.heads > 0;
  }
  // A fine-tuned model holds the encoder under "encoder.", whose transformer in turn is "encoder".
  if (m.arrays.contains("encoder.feature_extractor.conv_layers.0.0.weight")) m.prefix = "encoder.";
  m.settings.model = options_of(m);
  auto& encoder = m.settings.model.encoder;
  if (!configured && heads == 0)
    throw OptionError(
        str(m.source, ": neither the file nor the shapes of its arrays tell the number of attention heads of the ",
            encoder.layers, " layers of width ", encoder.width, ": give it (--heads; in published models a head is 64 wide)"));
  if (configured && heads != 0 && heads != encoder.heads)
    throw OptionError(str("--heads: ", m.source, " has ", encoder.heads, " attention heads, not ", heads));
  if (!configured) encoder.heads = heads;
  return m;
}

ANYLEAD_INLINE ssl::PretrainOptions options_of(const ModelFile& m) {
  ssl::PretrainOptions o = m.settings.model;
  const auto find = [&](const std::string& name) { return m.arrays.find(m.prefix + name); };
  const auto size = [&](const std::string& name, std::size_t axis, std::size_t rank) {
    const auto* array = find(name);
    if (!array) throw FormatError(m.source, "", str("no array ", m.prefix, name, ": not an encoder of this kind"));
    if (array->shape().size() != rank)
      throw FormatError(m.source, str("array ", m.prefix, name),
                        str("expected ", rank, " axes, found ", io::detail::shape_text(array->shape())));
    return array->shape()[axis];
  };
  if (find("encoder.encoder.layers.0.norm_layer1.weight") || find("encoder.layers.0.self_attn.W_Q.weight"))
    throw FormatError(
        m.source, "",
        "a checkpoint of 2022 or before: its model attended over the batch instead of over time, and its weights mean "
        "nothing to any other");
  auto& e = o.encoder;
  const auto conv = [](std::size_t i) { return "feature_extractor.conv_layers." + std::to_string(i); };
  const std::vector<nn::ConvLayer> told = ssl::parse_conv_layers(m.settings.conv);
  e.conv.clear();
  e.leads = size(conv(0) + ".0.weight", 1, 3);
  for (std::size_t i = 0; find(conv(i) + ".0.weight"); ++i) {
    const Index taps = size(conv(i) + ".0.weight", 2, 3);
    // Shapes do not tell strides: the configuration's, where it is of this model, else the published kernel = stride.
    const bool fits = i < told.size() && told[i].taps == taps;
    e.conv.push_back({size(conv(i) + ".0.weight", 0, 3), taps, fits ? told[i].stride : taps});
  }
  e.conv_bias = find(conv(0) + ".0.bias") != nullptr;
  e.conv_layer_norm = find(conv(0) + ".2.1.weight") != nullptr;
  e.width = size("encoder.layer_norm.weight", 0, 1);
  e.layers = 0;
  while (find("encoder.layers." + std::to_string(e.layers) + ".fc1.weight")) ++e.layers;
  if (e.layers > 0) e.feed_forward = size("encoder.layers.0.fc1.weight", 0, 2);
  for (const char* name : {"weight_v", "parametrizations.weight.original1", "weight"})
    if (find(str("conv_pos.pos_conv.0.", name))) {
      e.position_taps = size(str("conv_pos.pos_conv.0.", name), 2, 3);
      const Index per_group = size(str("conv_pos.pos_conv.0.", name), 1, 3);
      if (per_group <= 0 || e.width % per_group != 0)
        throw FormatError(m.source, str("array ", m.prefix, "conv_pos.pos_conv.0.", name),
                          "its groups do not divide the width");
      e.position_groups = e.width / per_group;
      break;
    }
  if (find("quantizer.vars")) {
    auto& w = o.w2v;
    w.final_width = size("final_proj.weight", 0, 2);
    w.latent_width = size("project_q.weight", 1, 2);
    const Index width = size("quantizer.vars", 2, 3), all = size("quantizer.weight_proj.weight", 0, 2);
    if (width > 0) w.groups = std::max<Index>(1, w.latent_width / width);
    w.entries = all / w.groups;
    w.shared_codebook = size("quantizer.vars", 1, 3) != all;
  }
  return o;
}

ANYLEAD_INLINE ssl::EcgEncoder<float> load_encoder(const ModelFile& m, const Device& device) {
  ssl::EcgEncoder<float> encoder(m.settings.model.encoder);
  io::load_state_dict(encoder, m.arrays, m.source,
                      {.device = device,
                       .prefix = m.prefix,
                       .surplus = {"quantizer.", "project_q.", "final_proj.", "target_glu.", "mask_emb", "proj.", "kernel"}});
  return encoder;
}

}  // namespace anylead::train
