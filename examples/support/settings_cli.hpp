// Settings as flags and configuration file of a program.
#pragma once

#include <CLI/CLI.hpp>

#include <fstream>
#include <string>

#include <anylead/train/settings.hpp>

/// Adds a flag for every setting. `--config` names a size (base, small, tiny) or a file in the form that --print-config prints;
/// flags win over the file, the file over the size that it names, that over the defaults.
class SettingsCli {
 public:
  SettingsCli(CLI::App& app, anylead::train::Settings& settings, int argc, char** argv) {
    using namespace anylead;
    std::string config = settings.config;
    for (int i = 1; i < argc; ++i) {
      const std::string argument = argv[i];
      if (argument == "--config" && i + 1 < argc) config = argv[i + 1];
      if (argument.starts_with("--config=")) config = argument.substr(9);
    }
    if (!train::apply_config(settings, config)) {
      std::string size = "base";
      std::ifstream file(config);
      if (!file) throw OptionError(str("--config: ", config, " is neither base, small or tiny nor a file that can be read"));
      for (std::string line; std::getline(file, line);)
        if (line.starts_with("config=")) {
          size = line.substr(7);
          CLI::detail::remove_quotes(size);
        }
      if (!train::apply_config(settings, size))
        throw OptionError(str(config, ": config=", size, " is none of base, small, tiny"));
      app.set_config("--settings-file", config, "", true)->group("");
    }
    app.allow_config_extras(false);
    app.add_option("--config", config_, "base (published), small, tiny, or a file as --print-config prints it")
        ->group("Model")
        ->capture_default_str();
    train::describe(settings, [&](const char* group, const char* name, auto& value, const char* help) {
      const std::string flag = std::string("--") + name;
      using V = std::remove_reference_t<decltype(value)>;
      if constexpr (std::is_same_v<V, bool>)
        app.add_flag(flag, value, str(help, value ? " [true]; off: --" : " [false]", value ? name : "", value ? "=false" : ""))
            ->group(group);
      else
        app.add_option(flag, value, help)->group(group)->capture_default_str();
    });
    app.add_flag("--print-config", print_, "print all settings as a configuration file, and stop")->configurable(false);
  }

  bool print() const { return print_; }

  /// All settings as a file that gives the same settings.
  static std::string text(const anylead::train::Settings& s) {
    std::string text = "config=\"" + s.config + "\"\n";
    anylead::train::describe(s, [&](const char*, const char* name, const auto& value, const char*) {
      using V = std::remove_cvref_t<decltype(value)>;
      text += name;
      if constexpr (std::is_same_v<V, std::string>)
        text += "=\"" + value + "\"\n";
      else
        text += anylead::str("=", value, "\n");
    });
    return text;
  }

 private:
  std::string config_ = "base";  // settings.config keeps the size
  bool print_ = false;
};
