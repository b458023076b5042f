# shellcheck shell=sh disable=SC2154 # part of start-sentinel.sh, before its last line
{
  grep -E '^(port|tls-)' /config/sentinel.conf
  grep -v -E '^(port|tls-)' "$conf"
} >"$conf.new"
mv "$conf.new" "$conf"
