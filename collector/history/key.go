package history

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"active_users_exporter/collector/activity"
)

// readKey reads the file with the key.
func readKey(path string) (key activity.Key, err error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return key, fmt.Errorf("read the key of the history: %w", err)
	}
	if len(content) != len(key) {
		return key, fmt.Errorf("%s is no key of a history: it has %d bytes and not %d; without the right one, what was recorded is of no use", path, len(content), len(key))
	}
	copy(key[:], content)
	return key, nil
}

// ensureKey makes sure that the key in use is the one in the file, which it
// makes if there is none.
func (s *Store) ensureKey() error {
	if s.keyed {
		return nil
	}
	key, err := readKey(s.keyFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = writeKey(s.keyFile, s.key)
	case err == nil && key != s.key:
		err = fmt.Errorf("%s has appeared after the start: start the exporter again to use the history", s.keyFile)
	}
	s.keyed = err == nil
	return err
}

// writeKey makes the file. It appears at once and complete: half a key would
// hide who was who for ever.
func writeKey(path string, key activity.Key) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".key-*") // for its owner alone
	if err != nil {
		return fmt.Errorf("make the key of the history: %w", err)
	}
	defer func() { _ = os.Remove(file.Name()) }()
	_, err = file.Write(key[:])
	if err == nil {
		err = file.Sync()
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Link(file.Name(), path) // fails if another process was faster
	}
	if err != nil {
		return fmt.Errorf("make the key of the history: %w", err)
	}
	return nil
}
