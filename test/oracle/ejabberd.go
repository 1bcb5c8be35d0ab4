package oracle

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/test/must"
)

// loadConfiguration has ejabberd's own code load each file, and prints for each
// host what it then connects to and which modules it runs, or that it refuses the
// file.
const loadConfiguration = `%% -*- erlang -*-
main([Ebin | Paths]) ->
    [code:add_patha(P) || P <- [Ebin | filelib:wildcard("/usr/lib/erlang/lib/*/ebin")]],
    application:load(ejabberd),
    logger:set_primary_config(level, none),
    [application:ensure_all_started(A) || A <- [crypto, p1_utils, fast_yaml, fast_tls, fast_xml, stringprep, xmpp, cache_tab, yconf, idna]],
    io:setopts([{encoding, utf8}]),
    [show(P) || P <- Paths].
show(P) ->
    catch ets:delete(ejabberd_options),
    os:putenv("EJABBERD_CONFIG_PATH", P),
    Result = (catch ejabberd_config:load()),
    io:format("~nFILE ~s~n", [P]),
    case Result of
        ok -> [host(H) || H <- ejabberd_option:hosts()];
        _ -> io:format("REFUSED~n")
    end.
host(H) ->
    O = fun(Name) -> ejabberd_config:get_option({Name, H}) end,
    Database = case O(sql_database) of undefined -> <<"ejabberd">>; D -> D end,
    Modules = lists:sort([M || {M, _, _} <- O(modules)]),
    io:format("HOST ~ts|~p|~ts|~p|~ts|~ts|~ts|~0p|~0p~n", [H, O(sql_type), O(sql_server), O(sql_port), Database, O(sql_username), O(sql_password), O(sql_ssl), Modules]).
`

// Ejabberd has the installed ejabberd load configuration files. It returns its
// version, and for each file a line for each host, none if it refuses the file:
// host|type|server|port|database|user|password|TLS|[modules].
func Ejabberd(tb testing.TB, paths []string) (version string, hosts map[string][]string) {
	tb.Helper()
	apps, err := filepath.Glob("/usr/lib/*/ejabberd-*/ebin/ejabberd.app")
	must.Succeed(tb, err)
	escript, err := exec.LookPath("escript")
	if err != nil || len(apps) == 0 {
		dbtest.Missing(tb, "no ejabberd to compare with")
	}
	program := filepath.Join(tb.TempDir(), "load.escript")
	must.WriteFile(tb, program, loadConfiguration)
	cmd := exec.CommandContext(tb.Context(), escript, append([]string{program, filepath.Dir(apps[0])}, paths...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	if err != nil {
		tb.Fatalf("%v: %s %s", err, output, &stderr)
	}
	// …/ejabberd-23.01-1/ebin/ejabberd.app
	version = strings.TrimPrefix(filepath.Base(filepath.Dir(filepath.Dir(apps[0]))), "ejabberd-")
	hosts = make(map[string][]string)
	file := ""
	for line := range strings.Lines(string(output)) {
		line = strings.TrimRight(line, "\n")
		if path, ok := strings.CutPrefix(line, "FILE "); ok {
			file = path
			hosts[file] = nil
		}
		if host, ok := strings.CutPrefix(line, "HOST "); ok {
			hosts[file] = append(hosts[file], host)
		}
	}
	return version, hosts
}
