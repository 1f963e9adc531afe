#pragma once

#include <algorithm>
#include <set>
#include <string_view>
#include <type_traits>

#include <nlohmann/json.hpp>

#include <anylead/train/settings_json.hpp>

namespace anylead::train {

namespace detail {

/// Settings that say where, how long and how fast a run goes, but not what it computes (to the last bits, which devices and
/// instruction sets round differently).
ANYLEAD_INLINE bool leaves_numbers_alone(std::string_view setting) {
  const std::set<std::string_view> free = {"device", "data",           "patients",   "steps",       "epochs",   "threads",
                                           "keep",   "validate-every", "save-every", "max-seconds", "prefetch", "recompute"};
  return free.contains(setting);
}

}  // namespace detail

ANYLEAD_INLINE std::string to_json(const Settings& s) {
  nlohmann::ordered_json json;
  describe(s, [&](const char*, const char* name, const auto& value, const char*) { json[name] = value; });
  json["config"] = s.config;
  return json.dump();
}

ANYLEAD_INLINE std::string identity_json(const Settings& s) {
  nlohmann::ordered_json json;
  describe(s, [&](const char*, const char* name, const auto& value, const char*) {
    if (!detail::leaves_numbers_alone(name)) json[name] = value;
  });
  json["config"] = s.config;
  return json.dump();
}

ANYLEAD_INLINE Settings settings_from_json(const std::string& text, const std::string& file) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) throw FormatError(file, "", "expected an object of settings");
  Settings s;
  std::set<std::string> known = {"config"};
  const auto type_error = [&](const std::string& name, const char* expected) {
    throw FormatError(file, str("setting ", name), str("expected ", expected, ", found ", json.at(name).dump()));
  };
  if (json.contains("config")) {
    if (!json.at("config").is_string()) type_error("config", "a name");
    s.config = json.at("config").get<std::string>();
  }
  describe(s, [&](const char*, const char* name, auto& value, const char*) {
    known.insert(name);
    if (!json.contains(name)) return;
    const auto& stored = json.at(name);
    using V = std::remove_reference_t<decltype(value)>;
    if constexpr (std::is_same_v<V, bool>) {
      if (!stored.is_boolean()) type_error(name, "true or false");
    } else if constexpr (std::is_integral_v<V>) {
      if (!stored.is_number_integer()) type_error(name, "an integer");
    } else if constexpr (std::is_floating_point_v<V>) {
      if (!stored.is_number()) type_error(name, "a number");
    } else {
      if (!stored.is_string()) type_error(name, "text");
    }
    value = stored.get<V>();
  });
  for (const auto& [key, value] : json.items())
    if (!known.contains(key)) throw FormatError(file, str("setting ", key), "unknown");
  return s;
}

ANYLEAD_INLINE std::string differences(const Settings& stored, const Settings& given) {
  const auto a = nlohmann::ordered_json::parse(identity_json(stored)), b = nlohmann::ordered_json::parse(identity_json(given));
  std::string text;
  for (const auto& [key, value] : a.items())
    if (key != "config" && value != b.at(key))
      text += str(text.empty() ? "" : "; ", "--", key, " was ", value.dump(), ", is ", b.at(key).dump());
  return text;
}

}  // namespace anylead::train
