package synapse

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"active_users_exporter/config/document"
)

// A homeserver is Synapse's configuration: the keys of homeserver.yaml, with those
// of files that are read after it in their place.
type homeserver map[string]setting

// A setting is the value of a key at the top level, in the file that it is from.
type setting struct {
	*pyYAML
	*yaml.Node
}

// readHomeserver reads the name of the homeserver and the location of its
// database from homeserver.yaml, or from the folder that holds it, and from
// the folder conf.d beside it: Debian's package starts Synapse with both. A folder
// without homeserver.yaml is one whose files are all read, as Synapse does with
// --config-path. What Synapse ignores with a warning, warn is called with.
func readHomeserver(o *Options, path string, warn func(format string, args ...any)) error {
	files, err := configurationFiles(path, warn)
	if err != nil {
		return err
	}
	h := make(homeserver)
	for _, file := range files {
		if err := h.add(file, warn); err != nil {
			return err
		}
	}
	if o.ServerName, err = h.text("server_name"); err != nil {
		return err
	}
	if o.Configured, err = h.configured(); err != nil {
		return err
	}
	o.Database, err = h.database(files[0])
	return err
}

// configurationFiles returns the files that Synapse reads, in its order.
func configurationFiles(path string, warn func(format string, args ...any)) ([]string, error) {
	if document.IsFolder(path) {
		inside := filepath.Join(path, "homeserver.yaml")
		if _, err := os.Stat(inside); errors.Is(err, os.ErrNotExist) {
			if files, err := yamlFiles(path, warn); err != nil || len(files) > 0 {
				return files, err
			}
		}
		path = inside
	}
	more, err := yamlFiles(filepath.Join(filepath.Dir(path), "conf.d"), warn)
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return append([]string{path}, more...), err
}

// yamlFiles returns the files *.yaml in a folder by name.
func yamlFiles(folder string, warn func(format string, args ...any)) (files []string, err error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("look for files in a folder: %w", err)
	}
	for _, entry := range entries {
		path := filepath.Join(folder, entry.Name())
		switch {
		case !strings.HasSuffix(path, ".yaml"):
		case document.IsFolder(path):
			warn("%s: a folder, which Synapse ignores", path)
		default:
			files = append(files, path)
		}
	}
	return files, nil
}

// add reads one of the files.
func (h homeserver) add(file string, warn func(format string, args ...any)) error {
	content, err := document.ReadFile(file)
	if err != nil {
		return err
	}
	parsed, err := parsePyYAML(file, content)
	if err != nil {
		return err
	}
	if parsed.root == nil || aliased(parsed.root).Kind != yaml.MappingNode {
		warn("%s: not a mapping of keys to values: Synapse ignores it", file)
		return nil
	}
	values, err := parsed.mapping(parsed.root, "the configuration")
	if err != nil {
		return err
	}
	for key, value := range values {
		h[key] = setting{parsed, value}
	}
	return nil
}

// text returns the value of a key, "" if it is missing or null.
func (h homeserver) text(key string) (string, error) {
	s, there := h[key]
	if !there {
		return "", nil
	}
	return s.text(s.Node, key)
}

// isEmpty says whether Python takes the value for nothing: it is missing, null,
// false, or has nothing in it.
func (h homeserver) isEmpty(key string) bool {
	s, there := h[key]
	if !there {
		return true
	}
	n := aliased(s.Node)
	if n.Kind != yaml.ScalarNode {
		return len(n.Content) == 0
	}
	v, err := s.scalar(n, key)
	return err == nil && (v.text == "" || v.kind == pyBool && v.text == "False")
}

// configured returns what Synapse's usage report takes from here, with the
// defaults of synapse/config/cache.py, 1.160.
func (h homeserver) configured() (*Configured, error) {
	c := &Configured{CacheFactor: 0.5, EventCacheSize: 10 << 10, MSC3861: h.enablesMSC3861()}
	var err error
	if c.ServerContext, err = h.text("server_context"); err != nil {
		return nil, err
	}
	if s, there := h["event_cache_size"]; there {
		text, err := s.text(s.Node, "event_cache_size")
		if err != nil {
			return nil, err
		}
		if c.EventCacheSize, err = parseSize(text); err != nil {
			return nil, s.wrong(s.Node, "event_cache_size: %s", err)
		}
	}
	if h.isEmpty("caches") {
		return c, nil
	}
	s := h["caches"]
	caches, err := s.mapping(s.Node, "caches")
	if err != nil {
		return nil, err
	}
	if n := caches["global_factor"]; n != nil {
		factor, err := s.scalar(n, "caches.global_factor")
		if err != nil {
			return nil, err
		}
		if c.CacheFactor, err = strconv.ParseFloat(factor.text, 64); err != nil || factor.kind != pyInt && factor.kind != pyFloat {
			return nil, s.wrong(n, "caches.global_factor is not a number")
		}
	}
	return c, nil
}

// enablesMSC3861 says whether experimental_features.msc3861.enabled is true. What is odd
// there is Synapse's business alone.
func (h homeserver) enablesMSC3861() bool {
	s, there := h["experimental_features"]
	if !there {
		return false
	}
	features, err := s.mapping(s.Node, "experimental_features")
	if err != nil || features["msc3861"] == nil {
		return false
	}
	values, err := s.mapping(features["msc3861"], "msc3861")
	if err != nil || values["enabled"] == nil {
		return false
	}
	enabled, err := s.scalar(values["enabled"], "enabled")
	return err == nil && enabled.kind == pyBool && enabled.text == "True"
}

// parseSize reads a size as Synapse does (synapse/config/_base.py, 1.160): a number
// of bytes, or one with K, M, G or T behind it.
func parseSize(text string) (int, error) {
	shift := 0
	if i := strings.IndexAny(text, "KMGT"); i >= 0 && i == len(text)-1 {
		const perLetter = 10
		shift = perLetter * (strings.IndexByte("KMGT", text[i]) + 1)
		text = text[:i]
	}
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		return 0, errors.New("want a number, which may end with K, M, G or T")
	}
	return n << shift, nil
}
