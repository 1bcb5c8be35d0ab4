package document_test

import (
	"strings"
	"testing"

	"active_users_exporter/config/document"
)

// Errors about somebody else's configuration name the line and the reason, and quote
// no value.
func TestErrorsQuoteNoValue(t *testing.T) {
	for content, want := range map[string]string{
		"port: hunter2\n":                             "c.yml:1: cannot unmarshal !!str into int",
		"a: 1\nport: 'a `hunter2` b'\n":               "c.yml:2: cannot unmarshal !!str into int",
		"port: [hunter2]\n":                           "c.yml:1: cannot unmarshal !!seq into int",
		"- hunter2\n":                                 "c.yml:1: cannot unmarshal !!seq into",
		"name: hunter2\nname: hunter2\n":              `c.yml:2: mapping key "name" already defined at line 1`,
		"port: 'hunter2\n":                            "c.yml:2: no valid YAML: found unexpected end of stream",
		"port: 1\n---\nport: hunter2\n":               "c.yml:2: a second document",
		"port: hunter2\nname: [hunter2, 'hunter2']\n": "c.yml:1: cannot unmarshal !!str into int",
	} {
		var into struct {
			Name string `yaml:"name"`
			Port int    `yaml:"port"`
		}
		err := document.DecodeYAML("c.yml", []byte(content), &into)
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: error %v, want %s", content, err, want)
		}
	}
	if err := document.DecodeYAML("c.yml", []byte("# nothing\n"), new(int)); err != nil {
		t.Errorf("an empty file: %v", err)
	}
}
