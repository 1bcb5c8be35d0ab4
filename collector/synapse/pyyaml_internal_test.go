package synapse

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"active_users_exporter/test/oracle"
)

// asPyYAML prints what PyYAML makes of documents: a mapping with Python's str() of
// each value, null for None, or "refused".
const asPyYAML = `
import json, sys, yaml
def read(document):
    try:
        values = yaml.safe_load(document)
        if not isinstance(values, dict): return "refused"
        return {str(k): None if v is None else str(v) for k, v in values.items()}
    except (yaml.YAMLError, ValueError, OverflowError):
        return "refused"
json.dump([read(d) for d in json.load(sys.stdin)], sys.stdout)
`

// asOurs is the same of our reader.
func asOurs(document string) any {
	f, err := parsePyYAML("test.yaml", []byte(document))
	if err != nil || f.root == nil {
		return "refused"
	}
	values, err := f.mapping(f.root, "all")
	if err != nil {
		return "refused"
	}
	all := make(map[string]any)
	for key, n := range values {
		s, err := f.scalar(n, key)
		switch {
		case err != nil:
			return "refused"
		case s.kind == pyNone:
			all[key] = nil
		default:
			all[key] = s.text
		}
	}
	return all
}

func compareWithPyYAML(t *testing.T, documents []string) (understood int) {
	t.Helper()
	var want []any
	oracle.Python(t, asPyYAML, documents, &want)
	if len(want) != len(documents) {
		t.Fatalf("%d answers to %d documents", len(want), len(documents))
	}
	for i, document := range documents {
		if want[i] != "refused" {
			understood++
		}
		if diff := cmp.Diff(want[i], asOurs(document)); diff != "" {
			t.Errorf("%q (-PyYAML +ours):\n%s", document, diff)
		}
	}
	return understood
}

// Scalars as people write them for passwords, ports and numbers.
func TestScalarsAsPyYAML(t *testing.T) {
	scalars := []string{
		"08999", "12345e12", "1e5", "1.5e3", "1.5e+3", "1e+5", "1.0", "0o17", "017", "0x1F", "0b101", "1_000", "+123", ".5", "-.5", "1.10", "1e400", "1.0e+400",
		"123456789012345678901234567890", "-18446744073709551616", "0", "-0", "00", "09", "0_7", "_1", "1_", "+", "-", ".", "..", "1.", "1.e+5", "._5",
		"2001-01-01", "2001-1-1", "2001-13-01", "2001-02-30", "0000-01-01", "2001-01-01 12:30:45", "2001-01-01T12:30:45Z", "2001-01-01t1:02:03.5", "2001-12-14 21:59:43.10 -5",
		"2001-12-14 21:59:43.1234567 +05:30", "2001-12-14 21:59:43 -00:00", "2001-01-01 25:00:00",
		"12:30:45", "190:20:30", "1:60", "1:59", "0:30", "190:20:30.15", "1:2.5", "12:30", "01:30",
		"yes", "Yes", "YES", "yEs", "no", "off", "On", "true", "TRUE", "tRUE", "y", "n", "~", "null", "Null", "nULL", "", "=", "<", "'='", "'<<'",
		".inf", "-.INF", "+.Inf", ".nan", "-.nan", ".NaN", "inf", "nan",
		"0.0001", "0.00001", "1234567890123456.0", "12345678901234567.0", "9007199254740993.0", "1.0e-7", "100000000000000000000000.5",
		`"08999"`, "'1e5'", `"a\tb\u00e9\x41"`, "'it''s'", "a b", "a#b", "a: b", "!!str 123", "!!int '5'", "!!float 5", "!!bool on", "!!null x", "!!timestamp 2001-01-01", "! 12",
		"!ENV X", "!!python/name:x 1", "é", "|\n  two\n  lines", ">-\n  two\n  words", "p@ss/w:o#rd", "${DB_PORT}", "%percent", "'quoted' ", "5432", "5999,5432", "hunter2",
	}
	documents := make([]string, len(scalars))
	for i, s := range scalars {
		documents[i] = "v: " + s + "\n"
	}
	if n := compareWithPyYAML(t, documents); n < 100 {
		t.Errorf("PyYAML understands %d", n)
	}
}

// Documents: keys that are there twice, anchors, merges, JSON, byte order marks.
func TestDocumentsAsPyYAML(t *testing.T) {
	if n := compareWithPyYAML(t, []string{
		"a: 1\na: 2\n", "a: 1\nb: 2\na: 3\n", `{"a": 1, "a": "2"}`, "a: &x 1\nb: *x\n", "\ufeffa: 1\n", "a: 1\r\nb: two\r\n", "# only a comment\n", "", "- a\n", "text\n", "null\n",
		"a: 1\n---\nb: 2\n", "a: 1\n...\n", "---\na: 1\n", "%YAML 1.1\n---\na: on\n", "a: 1\n---\n", "a: [b\n", "\ta: 1\n", "a: *nothing\n", "? a\n: 1\n", "? a\n? b\n",
		"<<: {a: 1, b: 2}\na: 3\n", "a: 3\n<<: {a: 1, b: 2}\n", "<<: [{a: 1}, {a: 2, b: 2}]\n", "<<: {a: 1}\n<<: {a: 2}\n", "<<: {<<: {a: 1}, b: 1}\nb: 2\n", "<<: 1\n", "<<: [1]\n", "'<<': 1\n",
		"a: 1 # comment\nb: '#'\n", "a:\n  1\n", "a: \"x\\\n  y\"\n", "a: 'é'\n", "key with spaces: 1\n", "a: 1\n b: 2\n",
	}); n < 20 {
		t.Errorf("PyYAML understands %d", n)
	}
}

// Whatever of the letters that make YAML's types, both read the same.
func TestGeneratedScalarsAsPyYAML(t *testing.T) {
	var documents []string
	rapid.Check(t, func(t *rapid.T) {
		scalar := rapid.OneOf(
			rapid.StringMatching(`[-+]?[0-9_]{0,6}[.:]?[0-9_]{0,6}([eE][-+]?[0-9]{0,3})?`),
			rapid.StringMatching(`[-+]?0[xbo]?[0-9a-fA-F_]{0,8}`),
			rapid.StringMatching(`[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ][0-9]{1,2}:[0-9]{2}:[0-9]{2}(\.[0-9]{0,7})?( ?(Z|[-+][0-9]{1,2}(:[0-9]{2})?))?)?`),
			rapid.StringMatching(`[-+]?[0-9]{1,3}(:[0-9]{1,2}){1,3}(\.[0-9]*)?`),
			rapid.StringMatching(`[~.=<yYnNoOtTfFuUlLeEsSiI]{1,5}`),
		).Draw(t, "scalar")
		documents = append(documents, "v: "+scalar+"\n")
	})
	if n := compareWithPyYAML(t, documents); n < len(documents)/2 {
		t.Errorf("PyYAML understands %d of %d", n, len(documents))
	}
}

func TestPyYAMLsMergesEnd(t *testing.T) {
	for _, content := range []string{"a: &a\n  <<: *a\n", "x: &x [*x]\n<<: *x\n", "&a {<<: *a}\n"} {
		f, err := parsePyYAML("test.yaml", []byte(content))
		if err != nil {
			continue
		}
		if _, err := f.mapping(f.root, "all"); err == nil {
			values, _ := f.mapping(f.root, "all")
			for _, n := range values {
				_, err = f.mapping(n, "a")
			}
			if err == nil || !strings.Contains(err.Error(), "mapping") {
				t.Errorf("%q: error %v", content, err)
			}
		}
	}
}
