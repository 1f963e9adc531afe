// Settings as JSON: what a checkpoint stores, and the configuration of the reference's checkpoints.
#pragma once

#include <string>

#include <anylead/core/config.hpp>
#include <anylead/train/settings.hpp>

namespace anylead::train {

/// All settings as one JSON object, by the names of describe().
ANYLEAD_INLINE std::string to_json(const Settings& s);

/// Only those settings that shape the numbers of a run, and so belong to its model: the same for a run however it was cut into
/// pieces.
ANYLEAD_INLINE std::string identity_json(const Settings& s);

/// The inverse; settings that are absent keep their value. @throws FormatError naming file and key on an unknown key or a value
/// of another type
ANYLEAD_INLINE Settings settings_from_json(const std::string& json, const std::string& file);

/// Names of the settings whose values differ and that change the numbers of a run (how long it goes on, how often it saves, how
/// many threads it uses do not), each with both values; empty if there are none.
ANYLEAD_INLINE std::string differences(const Settings& stored, const Settings& given);

}  // namespace anylead::train

#ifndef ANYLEAD_COMPILED
#include <anylead/train/settings_json.ipp>
#endif
