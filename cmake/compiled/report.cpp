// The bodies of the report layer, once.
#include <anylead/report/ecg_strip.hpp>
#include <anylead/report/svg.hpp>

#include <anylead/report/ecg_strip.ipp>
#include <anylead/report/svg.ipp>
