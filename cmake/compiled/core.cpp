// The bodies of the core layer, once.
#include <anylead/core/atomic_file.hpp>
#include <anylead/core/folders.hpp>
#include <anylead/core/mapped_file.hpp>

#include <anylead/core/atomic_file.ipp>
#include <anylead/core/folders.ipp>
#include <anylead/core/mapped_file.ipp>
