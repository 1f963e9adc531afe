// Folders whose entries survive a power failure.
#pragma once

#include <string>

#include <anylead/core/config.hpp>

namespace anylead {

/// "a/b" of "a/b/c", "." of "c".
ANYLEAD_INLINE std::string parent_folder(const std::string& path);

/// Makes the names in a folder durable. @throws IoError
ANYLEAD_INLINE void sync_folder(const std::string& folder);

/// Makes a folder and those above it, each durable. It may exist. @throws IoError
ANYLEAD_INLINE void make_folder(const std::string& path);

}  // namespace anylead

#ifndef ANYLEAD_COMPILED
#include <anylead/core/folders.ipp>
#endif
