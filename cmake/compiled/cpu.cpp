// The CPU device; its ops are in cpu_float.cpp and cpu_double.cpp, so that two processors build them at a time.
#include <anylead/cpu.hpp>

#include <anylead/cpu.ipp>
