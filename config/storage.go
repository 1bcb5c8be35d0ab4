package config

import (
	"time"

	"go.yaml.in/yaml/v3"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/storage"
	"active_users_exporter/config/document"
)

// minRetention is what r30v2 and growth are counted from.
const minRetention = activity.RetentionDays * 24 * time.Hour

// storage reads where and how long visits are kept.
func (f *file) storage(n *yaml.Node, s *Storage) {
	values := f.Mapping(n, "storage", "path", "key_file", "retention", "cache")
	for _, key := range document.Keys(values) {
		switch n := values[key]; key {
		case "path":
			f.storagePath(n, values["key_file"], s)
		case "key_file":
			s.KeyFile = document.Below(f.Folder(), f.Text(n, key))
		case "retention":
			s.Retention = f.Duration(n, key)
			if s.Retention != 0 && (s.Retention < minRetention || s.Retention > activity.MaxWindow) {
				f.Problem(n, "retention: want 60d to 400d; r30v2 and growth are counted from 60 days")
			}
		case "cache":
			s.Cache = f.Bool(n, key)
		}
	}
}

// storagePath reads where the history is: a folder, or a PostgreSQL database,
// whose users need the same key.
func (f *file) storagePath(n, keyFile *yaml.Node, s *Storage) {
	location, err := storage.Parse(f.Text(n, "path"))
	if err != nil {
		f.Problem(n, "path: %s", err)
	}
	if location.Shared() && keyFile == nil {
		f.Problem(n, "path: a database that replicas share needs key_file, the same for all of them")
	}
	s.Location = location.Below(f.Folder())
}
