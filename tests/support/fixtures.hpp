// Numbers of the reference implementation. What the files hold is written in tests/fixtures/README.md.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include <anylead/io/safetensors.hpp>
#include <support/shared.hpp>

struct Fixture {
  std::string name;
  nlohmann::json meta;         ///< the file NAME.json
  anylead::io::Arrays arrays;  ///< views into NAME.safetensors
};

/// The small set.
inline std::string committed_fixtures() { return std::string(ANYLEAD_SOURCE_DIR) + "/tests/fixtures"; }

/// The folder that ANYLEAD_FIXTURES names, else the full set outside the repository where there is one, else the small set in
/// it.
inline std::string fixtures_folder() {
  if (const char* named = std::getenv("ANYLEAD_FIXTURES")) return named;
  const std::string full = shared_folder() + "/fixtures";
  std::error_code ignored;
  return std::filesystem::is_directory(full, ignored) ? full : committed_fixtures();
}

/// The JSON of a file in the folder of fixtures. Throws if there is none.
inline nlohmann::json load_fixture_json(const std::string& file) {
  std::ifstream in(fixtures_folder() + "/" + file);
  if (!in) throw std::runtime_error(fixtures_folder() + "/" + file + ": no such fixture");
  return nlohmann::json::parse(in);
}

/// A fixture by its name. Throws if there is none: @see has_fixture
inline Fixture load_fixture(const std::string& name) {
  return {name, load_fixture_json(name + ".json"),
          anylead::io::load_safetensors(fixtures_folder() + "/" + name + ".safetensors").arrays};
}

/// Whether the folder has it; the small set does not have all.
inline bool has_fixture(const std::string& name) {
  return std::filesystem::exists(fixtures_folder() + "/" + name + ".safetensors");
}

/// Names of the fixtures whose name begins with the text or whose "kind" it is ("unit", "model", "augmentation", "statistics"),
/// sorted; "" means all.
inline std::vector<std::string> all_fixtures(std::string_view prefix_or_kind = "") {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(fixtures_folder())) {
    const std::string name = entry.path().stem().string();
    if (entry.path().extension() == ".safetensors" &&
        (name.starts_with(prefix_or_kind) || load_fixture_json(name + ".json").value("kind", "") == prefix_or_kind))
      names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}
