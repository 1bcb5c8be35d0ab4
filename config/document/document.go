// Package document reads our configuration, a YAML file, strictly: a mistake
// stands with its line and column, an unknown key with the one that was probably
// meant, and all mistakes are reported at once.
package document

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A Document is a YAML file that is being read. It collects the mistakes, so
// that all of them can be reported at once, each with its line and column.
type Document struct {
	file      string
	lookupEnv func(string) (string, bool)
	mistakes  []error
	marked    map[*yaml.Node]bool // where a mistake is
}

// New returns a Document without content. File is its path, which messages name
// and whose folder relative paths are below. LookupEnv gives the values of
// ${NAME}, as os.LookupEnv does.
func New(file string, lookupEnv func(string) (string, bool)) *Document {
	return &Document{file: file, lookupEnv: lookupEnv, marked: make(map[*yaml.Node]bool)}
}

// Folder returns the folder of the file, "." if there is no file.
func (d *Document) Folder() string { return filepath.Dir(d.file) }

// Err returns all mistakes so far, nil if there are none.
func (d *Document) Err() error { return errors.Join(d.mistakes...) }

// Problem records a mistake at a node. What else is wrong with the same node
// follows from the first mistake.
func (d *Document) Problem(at *yaml.Node, format string, args ...any) {
	if d.marked[at] {
		return
	}
	d.marked[at] = true
	d.mistakes = append(d.mistakes, fmt.Errorf("%s:%d:%d: %s", d.file, at.Line, at.Column, fmt.Sprintf(format, args...)))
}

// Root parses the file, which must hold one document.
func (d *Document) Root(content []byte) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	var document, more yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%s: empty: it must list servers", d.file)
	case err != nil:
		return nil, invalidYAML(d.file, err)
	}
	switch err := decoder.Decode(&more); {
	case err == nil:
		return nil, fmt.Errorf("%s:%d: a second document after ---: only one is read", d.file, more.Line)
	case !errors.Is(err, io.EOF):
		return nil, invalidYAML(d.file, err)
	}
	return document.Content[0], nil
}

// Mapping returns the values of a mapping by key. Keys other than the known
// ones are mistakes, as are repeated ones.
func (d *Document) Mapping(n *yaml.Node, what string, known ...string) map[string]*yaml.Node {
	values := make(map[string]*yaml.Node)
	if n = resolve(n); n.Kind != yaml.MappingNode {
		d.Problem(n, "%s must be a mapping of keys to values: %s", what, strings.Join(known, ", "))
		return values
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case !slices.Contains(known, key.Value):
			d.Problem(key, "unknown key %q in %s: %s", key.Value, what, suggestion(key.Value, known))
		case values[key.Value] != nil:
			d.Problem(key, "key %q is there twice", key.Value)
		default:
			values[key.Value] = value
		}
	}
	return values
}

// suggestion names the known key that was probably meant, or all of them.
func suggestion(key string, known []string) string {
	nearest := slices.MinFunc(known, func(a, b string) int { return distance(key, a) - distance(key, b) })
	if distance(key, nearest) <= max(1, len(nearest)/3) || anagram(key, nearest) {
		return fmt.Sprintf("did you mean %q?", nearest)
	}
	return "known are " + strings.Join(known, ", ")
}

// anagram reports whether two keys have the same letters, as if some were typed in the
// wrong order.
func anagram(a, b string) bool {
	return slices.Equal(slices.Sorted(slices.Values([]byte(a))), slices.Sorted(slices.Values([]byte(b))))
}

// distance is the number of letters to add, drop or change to get from a to b.
func distance(a, b string) int {
	if len(a) > 64 { // no key is as long: not worth the work
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

// List returns the items of a sequence.
func (d *Document) List(n *yaml.Node, what string) []*yaml.Node {
	if n = resolve(n); n.Kind != yaml.SequenceNode {
		d.Problem(n, "%s must be a list", what)
		return nil
	}
	return n.Content
}

// reference finds ${NAME} and the escape $${.
var reference = regexp.MustCompile(`\$?\$\{[^}]*\}?`)

// Text returns a single value with the references to the environment in it
// replaced. It is not YAML again: a variable cannot add keys.
func (d *Document) Text(n *yaml.Node, what string) string {
	if n = resolve(n); n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		d.Problem(n, "%s must be a single value", what)
		return ""
	}
	return reference.ReplaceAllStringFunc(n.Value, func(found string) string {
		if strings.HasPrefix(found, "$$") {
			return found[1:]
		}
		name, closed := strings.CutSuffix(strings.TrimPrefix(found, "${"), "}")
		if !closed || name == "" {
			d.Problem(n, "%s has a ${ that is no ${NAME}: write $${ for a plain one", what)
			return ""
		}
		value, set := d.lookupEnv(name)
		if !set {
			d.Problem(n, "%s: the environment variable %s is not set", what, name)
		}
		return value
	})
}

// resolve follows an alias to what it stands for.
func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// Keys returns the keys of a mapping in the order of the file, so that
// mistakes are reported in that order.
func Keys(values map[string]*yaml.Node) []string {
	return slices.SortedFunc(maps.Keys(values), func(a, b string) int {
		if c := values[a].Line - values[b].Line; c != 0 {
			return c
		}
		return values[a].Column - values[b].Column
	})
}
