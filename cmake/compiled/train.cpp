// The bodies of the train layer, once.
#include <anylead/train/model_io.hpp>
#include <anylead/train/pretrain_run.hpp>
#include <anylead/train/run_report.hpp>
#include <anylead/train/settings_json.hpp>

#include <anylead/train/model_io.ipp>
#include <anylead/train/pretrain_run.ipp>
#include <anylead/train/run_report.ipp>
#include <anylead/train/settings_json.ipp>
