// Comparison with the reference implementation's numbers: a fixture, what of it was looked at, and the bounds.
#pragma once

#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include <anylead/anylead.hpp>
#include <anylead/cpu.hpp>
#include <anylead/ssl/conv_text.hpp>

#include "support/catch.hpp"
#include "support/devices.hpp"
#include "support/fixtures.hpp"

namespace parity {

using namespace anylead;

/// Largest |a - b| over largest |b| that a float32 implementation may show (the fixtures' README, "Tolerances"); one in double
/// must meet the float32 numbers to their own rounding.
struct Bounds {
  double output, gradient;
};
template <Real T>
constexpr Bounds kBounds = {1e-5, 1e-4};
template <>
inline constexpr Bounds kBounds<double> = {3e-6, 3e-6};

/// A fixture of which every tensor must be used: one that no test knows is reported.
class Case {
 public:
  explicit Case(const Fixture& fixture) : fixture_(fixture) {}

  const nlohmann::json& config() const { return fixture_.meta.at("config"); }
  const nlohmann::json& meta() const { return fixture_.meta; }
  bool has(const std::string& name) const { return fixture_.arrays.contains(name); }
  void ignore(const std::string& name) { used_.insert(name); }

  Shape shape(const std::string& name) {
    used_.insert(name);
    return Shape(array(name).shape());
  }

  template <class T>
  std::vector<T> values(const std::string& name) {
    used_.insert(name);
    return array(name).template to_vector<T>();
  }

  template <Real T>
  Tensor<T> tensor(const std::string& name) {
    return Tensor<T>::from_host(values<T>(name), shape(name), test::test_device());
  }

  template <class T>
  Tensor<T> integers(const std::string& name) {
    return Tensor<T>::from_host(values<T>(name), shape(name), test::test_device());
  }

  /// Tensors of a prefix that are stored.
  std::vector<std::string> names(const std::string& prefix) const {
    std::vector<std::string> found;
    for (const auto& [name, array] : fixture_.arrays)
      if (name.starts_with(prefix)) found.push_back(name);
    return found;
  }

  /// A tensor of (time, batch, width) as (batch, time, width), or (batch, channels, time) as (batch, time, channels).
  template <Real T>
  Tensor<T> swapped(const std::string& name, int first, int second) {
    const Shape s = shape(name);
    return Tensor<T>::from_host(swap_axes(values<T>(name), s, first, second), swapped_shape(s, first, second),
                                test::test_device());
  }

  template <class T>
  static std::vector<T> swap_axes(const std::vector<T>& x, const Shape& s, int first, int second) {
    const Shape to = swapped_shape(s, first, second);
    std::vector<T> y(x.size());
    Index i[3];
    for (i[0] = 0; i[0] < s[0]; ++i[0])
      for (i[1] = 0; i[1] < s[1]; ++i[1])
        for (i[2] = 0; i[2] < s[2]; ++i[2]) {
          Index j[3] = {i[0], i[1], i[2]};
          std::swap(j[first], j[second]);
          y[static_cast<std::size_t>((j[0] * to[1] + j[1]) * to[2] + j[2])] =
              x[static_cast<std::size_t>((i[0] * s[1] + i[1]) * s[2] + i[2])];
        }
    return y;
  }
  static Shape swapped_shape(Shape s, int first, int second) {
    std::swap(s[first], s[second]);
    return s;
  }

  /// Compares with the stored values: |a - b| <= bound max |b|, infinities at the same places.
  template <class T>
  void check(const std::string& name, const std::vector<T>& actual, double bound) {
    compare(name, actual, values<double>(name), bound);
  }
  template <class T>
  void check(const std::string& name, const Tensor<T>& actual, double bound) {
    check(name, actual.to_host(), bound);
  }

  template <class T>
  void compare(const std::string& name, const std::vector<T>& actual, const std::vector<double>& expected, double bound) {
    INFO(fixture_.name << ": " << name);
    REQUIRE(actual.size() == expected.size());
    double largest = 0, worst = 0;
    std::size_t where = 0;
    for (const double e : expected)
      if (std::isfinite(e)) largest = std::max(largest, std::abs(e));
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const auto a = static_cast<double>(actual[i]);
      const double difference = a == expected[i] ? 0 : std::abs(a - expected[i]);
      if (!(difference <= worst)) {
        worst = difference;
        where = i;
      }
    }
    INFO("largest deviation " << worst << " at " << where << " of " << expected.size() << ", largest value " << largest);
    if (!expected.empty()) INFO("found " << double(actual[where]) << ", expected " << expected[where]);
    CHECK(worst <= bound * largest);
  }

  /// Gradient of a parameter. Those that are zero but for rounding are bounded by the largest gradient of the file.
  template <class T>
  void check_gradient(const std::string& name, const Tensor<T>& actual, double bound) {
    const auto& known = fixture_.meta.value("f32_vs_f64", nlohmann::json::object());
    if (known.contains(name) && known.at(name).value("mathematically_zero", false)) {
      double largest = 0;
      for (const auto& other : names("grad."))
        for (const double v : fixture_.arrays.at(other).template to_vector<double>()) largest = std::max(largest, std::abs(v));
      used_.insert(name);
      INFO(fixture_.name << ": " << name << " is zero but for rounding");
      if (actual.defined())
        for (const T v : actual.to_host()) CHECK(std::abs(double(v)) <= 1e-5 * largest);
      return;
    }
    INFO(fixture_.name << ": " << name);
    REQUIRE(actual.defined());
    check(name, actual, bound);
  }

  /// Reports what no check has looked at.
  void finish() const {
    for (const auto& [name, array] : fixture_.arrays) {
      INFO(fixture_.name << ": unknown tensor " << name);
      CHECK(used_.contains(name));
    }
  }

 private:
  const io::Array& array(const std::string& name) const {
    INFO(fixture_.name << ": tensor " << name << " is missing");
    REQUIRE(fixture_.arrays.contains(name));
    return fixture_.arrays.at(name);
  }

  const Fixture& fixture_;
  std::set<std::string> used_;
};

/// Runs f(fixture) in a section of its own for every fixture whose name begins so.
template <class F>
void for_each_fixture(const std::string& prefix, F&& f) {
  for (const auto& name : all_fixtures(prefix))
    if (name.starts_with(prefix)) DYNAMIC_SECTION(name) {
        f(load_fixture(name));
      }
}

/// Gives a module the parameters stored under a prefix. All of them must exist on both sides.
template <Real T, nn::Module M>
void load(M& module, Case& fixture, const std::string& prefix = "param.") {
  std::set<std::string> stored;
  for (const auto& name : fixture.names(prefix)) stored.insert(name);
  nn::for_each_parameter(module, [&](const std::string& name, nn::Parameter<T>& p) {
    INFO("parameter " << name);
    REQUIRE(stored.erase(prefix + name) == 1);
    REQUIRE(fixture.shape(prefix + name) == p.shape());
    p.leaf()->value = fixture.tensor<T>(prefix + name);
  });
  for (const auto& name : stored) FAIL("no module takes " << name);
}

/// Checks the gradient of every parameter under "grad."; those listed in no_gradient must have none.
template <Real T, nn::Module M>
void check_gradients(M& module, Case& fixture, double bound) {
  nn::for_each_parameter(module, [&](const std::string& name, nn::Parameter<T>& p) {
    if (fixture.has("grad." + name)) {
      fixture.check_gradient("grad." + name, p.has_grad() ? p.grad() : Tensor<T>(), bound);
    } else {
      INFO("gradient of " << name);
      bool listed = false;
      for (const auto& none : fixture.meta().value("no_gradient", nlohmann::json::array())) listed = listed || none == name;
      CHECK(listed);
      CHECK(!p.has_grad());
    }
  });
}

inline std::vector<nn::ConvLayer> conv_layers(const nlohmann::json& value) {
  if (value.is_string()) return ssl::parse_conv_layers(value.get<std::string>());
  std::vector<nn::ConvLayer> layers;
  for (const auto& l : value) layers.push_back({l.at(0).get<Index>(), l.at(1).get<Index>(), l.at(2).get<Index>()});
  return layers;
}

/// The reference's configuration as options.
inline ssl::PretrainOptions pretrain_options(const nlohmann::json& c) {
  ssl::PretrainOptions o;
  o.encoder.leads = c.at("in_d");
  o.encoder.conv = conv_layers(c.at("conv_feature_layers"));
  o.encoder.conv_layer_norm = c.at("extractor_mode") == "layer_norm";
  o.encoder.conv_bias = c.at("conv_bias");
  o.encoder.layers = c.at("encoder_layers");
  o.encoder.width = c.at("encoder_embed_dim");
  o.encoder.heads = c.at("encoder_attention_heads");
  o.encoder.feed_forward = c.at("encoder_ffn_embed_dim");
  o.encoder.norm_first = c.at("layer_norm_first");
  o.encoder.position_taps = c.at("conv_pos");
  o.encoder.position_groups = c.at("conv_pos_groups");
  o.encoder.dropout = c.at("dropout");
  o.encoder.attention_dropout = c.at("attention_dropout");
  o.encoder.activation_dropout = c.at("activation_dropout");
  o.encoder.input_dropout = c.at("dropout_input");
  o.encoder.layer_drop = c.at("encoder_layerdrop");
  o.encoder.feature_gradient = c.at("feature_grad_mult");
  o.w2v.feature_dropout = c.at("dropout_features");
  o.w2v.mask.probability = c.at("mask_prob");
  o.w2v.mask.length = c.at("mask_length");
  o.w2v.negatives.own = c.at("num_negatives");
  o.w2v.final_width = c.at("final_dim");
  o.w2v.quantize = c.at("quantize_targets");
  o.w2v.entries = c.at("latent_vars");
  o.w2v.groups = c.at("latent_groups");
  o.w2v.gumbel_start = c.at("latent_temp").at(0);
  o.w2v.gumbel_end = c.at("latent_temp").at(1);
  o.w2v.gumbel_decay = c.at("latent_temp").at(2);
  return o;
}

}  // namespace parity
