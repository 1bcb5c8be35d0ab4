package ejabberd

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// options are the options in a part of ejabberd.yml.
type options map[string]*yaml.Node

// addAll adds the options of a mapping. Lists and mappings that are there twice are
// put together, as by ejabberd; of single values the last one counts, and twice is
// called with its key.
func (o options) addAll(mapping *yaml.Node, twice func(key *yaml.Node)) {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], aliased(mapping.Content[i+1])
		if both := joined(o[key.Value], value); both != nil {
			value = both
		} else if o[key.Value] != nil {
			twice(key)
		}
		o[key.Value] = value
	}
}

// addIncluded adds an option of a file that is included.
func (o options) addIncluded(key string, value *yaml.Node) {
	if both := joined(value, o[key]); both != nil {
		value = both
	} else if o[key] != nil {
		return
	}
	o[key] = value
}

// joined returns two lists or two mappings as one, nil for anything else.
func joined(a, b *yaml.Node) *yaml.Node {
	if a == nil || b == nil || a.Kind != b.Kind || a.Kind != yaml.MappingNode && a.Kind != yaml.SequenceNode {
		return nil
	}
	return &yaml.Node{Kind: a.Kind, Line: b.Line, Column: b.Column, Content: slices.Concat(a.Content, b.Content)}
}

// aliased follows an alias to a list or mapping. One to a single value is for
// ejabberd the name of the anchor.
func aliased(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode && n.Alias.Kind != yaml.ScalarNode {
		n = n.Alias
	}
	return n
}

// names are what define_macro and define_keyword define. The environment of
// ejabberd defines more, and goes before both (25.03): EJABBERD_MACRO_DB is DB.
type names struct{ macros, keywords options }

const (
	// maxNesting is how deep macros may stand in macros.
	maxNesting = 10
	// maxText is where a text in which macros are replaced is cut off: the name of
	// no host or database is as long.
	maxText = 4 << 10
)

var (
	anyName     = regexp.MustCompile(`@(\w+)@`)
	unknownName = regexp.MustCompile(`@[A-Z][A-Z0-9_]*@`)
)

// isQuoted says whether ejabberd takes a value for a text, not for an atom: only
// what stands in double quotes or in a block is.
func isQuoted(n *yaml.Node) bool {
	return n.Style&(yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
}

// macro returns what a macro stands for, nil if there is none of that name.
func (d names) macro(name string) *yaml.Node {
	if value, set := os.LookupEnv("EJABBERD_MACRO_" + name); set {
		return &yaml.Node{Kind: yaml.ScalarNode, Style: yaml.DoubleQuotedStyle, Value: value}
	}
	return d.macros[name]
}

// resolve returns what a value is that is the name of a macro, or else a keyword,
// and nothing more.
func (d names) resolve(n *yaml.Node) *yaml.Node {
	for range maxNesting {
		if n == nil || n.Kind != yaml.ScalarNode {
			return n
		}
		named := d.macro(n.Value)
		if named == nil && !isQuoted(n) {
			named = d.keywords[n.Value]
		}
		if named == nil {
			return n
		}
		n = aliased(named)
	}
	return n
}

// text returns a single value, "" if it is none. It is what stands in the file: to
// ejabberd, 0x1F, yes and null are texts. The name of a macro or keyword may also
// stand within a text, as @NAME@ (25.03), if its value is a text; that of a macro
// only in a quoted one.
func (d names) text(n *yaml.Node) string { return d.textWithin(n, 0) }

func (d names) textWithin(n *yaml.Node, depth int) string {
	if n = d.resolve(n); n == nil || n.Kind != yaml.ScalarNode && n.Kind != yaml.AliasNode {
		return ""
	}
	text := n.Value
	if depth > maxNesting || len(text) > maxText { // a password may be as long
		return text
	}
	known := slices.AppendSeq(slices.Collect(maps.Keys(d.macros)), maps.Keys(d.keywords))
	for _, found := range anyName.FindAllStringSubmatch(text, -1) {
		known = append(known, found[1])
	}
	slices.Sort(known)
	for _, name := range slices.Compact(known) {
		value := d.keywords[name]
		if macro := d.macro(name); macro != nil {
			value = nil
			if isQuoted(n) {
				value = macro
			}
		}
		if value != nil && isQuoted(value) && strings.Contains(text, "@"+name+"@") {
			text = strings.ReplaceAll(text, "@"+name+"@", d.textWithin(value, depth+1))
			text = text[:min(len(text), maxText)]
		}
	}
	return text
}
