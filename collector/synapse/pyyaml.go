package synapse

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"active_users_exporter/config/document"
)

// pyYAML is a YAML file as PyYAML 6 reads it (yaml.safe_load), which Synapse uses:
// YAML 1.1, and of a key that is there twice the last one counts. Only what is
// asked for is looked at.
type pyYAML struct {
	file string
	root *yaml.Node // nil for an empty file
	seen int        // keys, to end merges of merges of merges
}

const (
	// maxMerges is how deep merged mappings (<<) may lie in one another.
	maxMerges = 32
	// maxKeys is how many keys are read of a file: far more than any has.
	maxKeys = 1_000_000
)

// parsePyYAML parses a file, which must hold one document. Its errors quote no
// value, for that may be a password.
func parsePyYAML(file string, content []byte) (*pyYAML, error) {
	root, err := document.ParseYAML(file, content)
	if err != nil {
		return nil, err
	}
	return &pyYAML{file: file, root: root}, nil
}

// wrong returns an error about a node.
func (f *pyYAML) wrong(at *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("%s:%d:%d: %s", f.file, at.Line, at.Column, fmt.Sprintf(format, args...))
}

// pair is a key of a mapping with its value.
type pair struct{ key, value *yaml.Node }

// pairs returns the keys of a mapping, each once, in the order of the file. What is
// merged comes first, and what comes later wins.
func (f *pyYAML) pairs(n *yaml.Node, depth int) (all []pair, err error) {
	n = aliased(n)
	if f.seen += len(n.Content); f.seen > maxKeys {
		return nil, f.wrong(n, "the file merges too many mappings")
	}
	if n.Kind != yaml.MappingNode || depth > maxMerges {
		return nil, f.wrong(n, "want a mapping of keys to values")
	}
	var merged, own []pair
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := aliased(n.Content[i]), n.Content[i+1]
		if !isMerge(key) {
			own = append(own, pair{key, value})
			continue
		}
		more, err := f.merged(value, depth)
		if err != nil {
			return nil, err
		}
		merged = append(merged, more...)
	}
	index := make(map[string]int)
	for _, p := range append(merged, own...) {
		if p.key.Kind != yaml.ScalarNode {
			continue // no key that Synapse asks for
		}
		if i, there := index[p.key.Value]; there {
			all[i].value = p.value
			continue
		}
		index[p.key.Value] = len(all)
		all = append(all, p)
	}
	return all, nil
}

// merged returns what << takes from a mapping, or from several, where the first
// one wins.
func (f *pyYAML) merged(n *yaml.Node, depth int) (all []pair, err error) {
	n = aliased(n)
	if n.Kind != yaml.SequenceNode {
		return f.pairs(n, depth+1)
	}
	for _, item := range slices.Backward(n.Content) {
		more, err := f.pairs(item, depth+1)
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	return all, nil
}

func isMerge(key *yaml.Node) bool {
	return key.Kind == yaml.ScalarNode && key.Value == "<<" && key.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) == 0
}

// mapping returns the values of a mapping by key.
func (f *pyYAML) mapping(n *yaml.Node, what string) (map[string]*yaml.Node, error) {
	if aliased(n).Kind != yaml.MappingNode {
		return nil, f.wrong(n, "%s must be a mapping of keys to values", what)
	}
	pairs, err := f.pairs(n, 0)
	if err != nil {
		return nil, err
	}
	values := make(map[string]*yaml.Node)
	for _, p := range pairs {
		values[p.key.Value] = p.value
	}
	return values, nil
}

// aliased follows an alias to what it stands for.
func aliased(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// scalar returns what a single value is in Python.
func (f *pyYAML) scalar(n *yaml.Node, what string) (pyScalar, error) {
	n = aliased(n)
	if n.Kind != yaml.ScalarNode {
		return pyScalar{}, f.wrong(n, "%s must be a single value", what)
	}
	s, err := scalarOf(n)
	if err != nil {
		return pyScalar{}, f.wrong(n, "%s: %s", what, err)
	}
	return s, nil
}

// text returns Python's str() of a single value, "" for null.
func (f *pyYAML) text(n *yaml.Node, what string) (string, error) {
	s, err := f.scalar(n, what)
	return s.text, err
}
