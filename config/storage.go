package config

import (
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/history"
	"active_users_exporter/collector/sqldb"
)

// minRetention is what r30v2 and growth are counted from.
const minRetention = activity.RetentionDays * 24 * time.Hour

// storage reads where and how long visits are kept.
func (d *document) storage(n *yaml.Node, s *Storage) {
	values := d.mapping(n, "storage", "path", "key_file", "retention", "cache")
	for _, key := range keys(values) {
		switch n := values[key]; key {
		case "path":
			s.Path = d.text(n, key)
			d.storagePath(n, values["key_file"], s)
		case "key_file":
			s.KeyFile = below(filepath.Dir(d.file), d.text(n, key))
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

// storagePath reads where the history is: a folder, or a PostgreSQL database,
// whose users need the same key.
func (d *document) storagePath(n, keyFile *yaml.Node, s *Storage) {
	s.Path = d.text(n, "path")
	switch {
	case history.Shared(s.Path):
		if _, err := sqldb.ParseSource(s.Path); err != nil {
			d.problem(n, "path: %s", err)
		}
		if keyFile == nil {
			d.problem(n, "path: a database that replicas share needs key_file, the same for all of them")
		}
	case strings.Contains(s.Path, "://"):
		d.problem(n, "path: want a folder, or postgres://USER@HOST/DATABASE")
	case s.Path != "":
		s.Path = below(filepath.Dir(d.file), s.Path)
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
