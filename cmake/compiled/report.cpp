// The bodies of the report layer, once.
#include <anylead/report/chart.hpp>
#include <anylead/report/ecg_strip.hpp>
#include <anylead/report/html.hpp>
#include <anylead/report/svg.hpp>

#include <anylead/report/chart.ipp>
#include <anylead/report/ecg_strip.ipp>
#include <anylead/report/html.ipp>
#include <anylead/report/svg.ipp>
