package synapse

import (
	"errors"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector/sqldb"
	"active_users_exporter/test/oracle"
)

// asPsycopg2 prints the connection parameters that psycopg2 gives to libpq for the
// args of documents, as libpq itself reads them; "refused" if they refuse them.
const asPsycopg2 = `
import json, sys, yaml, psycopg2
from psycopg2.extensions import make_dsn, parse_dsn
def read(document):
    try:
        args = yaml.safe_load(document)["args"]
        return parse_dsn(make_dsn(**{k: v for k, v in args.items() if not k.startswith("cp_")}))
    except (TypeError, psycopg2.ProgrammingError, yaml.YAMLError):
        return "refused"
json.dump([read(d) for d in json.load(sys.stdin)], sys.stdout)
`

// What libpq is given for the arguments that people write, and for those that
// their passwords make.
func TestArgumentsAsPsycopg2(t *testing.T) {
	arguments := []string{
		"{user: synapse, password: secret, dbname: synapse, host: localhost, port: 5432, cp_min: 5, cp_max: 10}",
		"{user: synapse, database: synapse}", "{user: a, database: a, dbname: b}", "{}",
		"{user: postgres, database: synapse, port: 15433}", "{user: u, host: null, port: 5433}", "{user: u, host: '', port: 5433}",
		"{host: 'a,b', port: 5999}", "{host: 'a,b', port: '5999,5432'}", "{host: a, port: '5432'}",
		"{dbname: s, host: h, options: '-c search_path=syn2'}", "{dbname: s, host: h, options: \"-c search_path=a\\\\ b -c x='y'\"}",
		"{dsn: 'host=127.0.0.1 user=postgres dbname=synapse'}", "{dsn: 'host=a user=b', user: c}", "{dsn: \"host='a b' password='it\\\\'s' user = x\"}", "{dsn: 'host'}", "{dsn: \"host='a\"}",
		"{dsn: 'postgresql://u:p%40ss@h:5433/db?sslmode=require'}", "{dsn: 'postgres://h1:1,h2:2/db'}", "{dsn: 'postgres://[::1]:5433/db'}", "{dsn: 'postgres:///db?host=/run/postgresql&port=5433'}",
		"{dsn: 'postgres://u@/db'}", "{dsn: 'postgres://h'}", "{dsn: 'postgres://h/db?ssl=true', password: x}",
		"{host: h, hostaddr: 127.0.0.1, user: u}", "{hostaddr: 127.0.0.1, port: 5999}", "{service: synapse}", "{service: synapse, passfile: /run/pgpass, host: h}",
		"{host: h, sslmode: verify-full, sslrootcert: /ca.pem, sslcert: /c.pem, sslkey: /k.pem}", "{host: h, keepalives_idle: 10, keepalives_interval: 10, keepalives_count: 3, application_name: s}",
		"{host: h, password: 08999}", "{host: h, password: 12345e12}", "{host: h, password: 1e5}", "{host: h, password: 0o17}", "{host: h, password: 017}", "{host: h, password: 1.0}", "{host: h, password: 2001-01-01}",
		"{host: h, password: 123456789012345678901234567890}", "{host: h, password: 12:30:45}", "{host: h, password: yes}", "{host: h, password: off}", "{host: h, password: 1_000}", "{host: h, password: '08999'}",
		"{host: h, password: \"a'b\\\\c d\"}", "{host: h, password: 'päss #:@/?'}", "{password: only}", "{host: h, nonsense: 1}", "{host: /var/run/postgresql, user: synapse}", "{user: u, user: v}", "{host: ~, user: ~}",
	}
	documents := make([]string, len(arguments))
	for i, a := range arguments {
		documents[i] = "args: " + a + "\n"
	}
	var want []any
	oracle.Python(t, asPsycopg2, documents, &want)
	understood := 0
	for i, document := range documents {
		if want[i] != "refused" {
			understood++
		}
		if diff := cmp.Diff(want[i], parametersOf(document)); diff != "" {
			t.Errorf("%s (-libpq +ours):\n%s", document, diff)
		}
	}
	if understood < 40 {
		t.Errorf("libpq understands %d", understood)
	}
}

// parametersOf are the parameters as we read them.
func parametersOf(document string) any {
	f, err := parsePyYAML("test.yaml", []byte(document))
	if err != nil {
		return "refused"
	}
	values, err := f.mapping(f.root, "all")
	if err != nil {
		return "refused"
	}
	args, err := f.mapping(values["args"], "args")
	if err != nil {
		return "refused"
	}
	parameters, err := libpqParameters(f, args, "args")
	if err != nil {
		return "refused"
	}
	// Files that parameters name need not be there.
	if _, err := sqldb.FromLibpq(parameters); err != nil {
		if _, wrong := errors.AsType[*sqldb.ParameterError](err); wrong {
			return "refused"
		}
	}
	all := make(map[string]any)
	for name, value := range maps.All(parameters) {
		all[name] = value
	}
	return all
}
