package config

import (
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"active_users_exporter/collector/activity"
)

// minRetention is what r30v2 and growth are counted from.
const minRetention = activity.RetentionDays * 24 * time.Hour

// storage reads where and how long visits are kept.
func (d *document) storage(n *yaml.Node, s *Storage) {
	values := d.mapping(n, "storage", "path", "retention", "cache")
	for _, key := range keys(values) {
		switch n := values[key]; key {
		case "path":
			s.Path = d.text(n, key)
			if strings.Contains(s.Path, "://") {
				d.problem(n, "path: the history is kept in a folder, not in a database server")
			}
			if s.Path != "" {
				s.Path = below(filepath.Dir(d.file), s.Path)
			}
		case "retention":
			s.Retention = d.duration(n, key)
			if s.Retention != 0 && (s.Retention < minRetention || s.Retention > activity.MaxWindow) {
				d.problem(n, "retention: want 60d to 400d; r30v2 and growth are counted from 60 days")
			}
		case "cache":
			s.Cache = d.truth(n, key)
		}
	}
}

// truth reads true or false.
func (d *document) truth(n *yaml.Node, key string) bool {
	switch d.text(n, key) {
	case "true":
		return true
	case "false":
		return false
	}
	d.problem(n, "%s must be true or false", key)
	return false
}
