package history

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/jmoiron/sqlx"

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

// fingerprint is stored with the history. It shows whether a key is the one that the history
// was recorded with. It is of no help to who wants to know the key, or whose hash
// is whose.
func fingerprint(key activity.Key) []byte {
	sum := sha256.Sum256(append([]byte("active_users_exporter: the key of a history\x00"), key[:]...))
	return sum[:8]
}

// ensureKey makes sure that the key in use is the one in the file, and the one that
// the history was recorded with. Where there is neither file nor history it makes
// the file. With another key nobody would be recognised: all who are known would be
// taken for gone, and forgotten.
func (s *Store) ensureKey(ctx context.Context, db *sqlx.DB) error {
	var recorded bool
	if err := db.GetContext(ctx, &recorded, `SELECT EXISTS (SELECT 1 FROM history_domains)`); err != nil {
		return fmt.Errorf("open the history: %w", err)
	}
	if !s.keyed {
		key, err := readKey(s.keyFile)
		switch {
		case errors.Is(err, fs.ErrNotExist) && recorded:
			return fmt.Errorf("the key of the history is missing: put %s back; without it, what was recorded is of no use (to begin a new history, move the old one away)", s.keyFile)
		case errors.Is(err, fs.ErrNotExist) && s.readOnly:
			return nil
		case errors.Is(err, fs.ErrNotExist):
			err = writeKey(s.keyFile, s.key)
		case err == nil && key != s.key:
			err = fmt.Errorf("%s has appeared after the start: start the exporter again to use the history", s.keyFile)
		}
		if err != nil {
			return err
		}
		s.keyed = true
	}
	return s.checkFingerprint(ctx, db, recorded)
}

// checkFingerprint refuses a key with which another fingerprint than its own is
// stored. In a file in which nothing is recorded yet the fingerprint is replaced; a
// database may be about to be used by others.
func (s *Store) checkFingerprint(ctx context.Context, db *sqlx.DB, recorded bool) error {
	if !s.readOnly {
		statement := `INSERT INTO history_key (only_one, fingerprint) VALUES (1, ?) ON CONFLICT (only_one) DO NOTHING`
		if !recorded && !s.location.Shared() {
			statement = `INSERT INTO history_key (only_one, fingerprint) VALUES (1, ?) ON CONFLICT (only_one) DO UPDATE SET fingerprint = excluded.fingerprint`
		}
		if _, err := db.ExecContext(ctx, db.Rebind(statement), fingerprint(s.key)); err != nil {
			return fmt.Errorf("open the history: %w", err)
		}
	}
	var stored []byte
	err := db.GetContext(ctx, &stored, `SELECT fingerprint FROM history_key`)
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return fmt.Errorf("open the history: %w", err)
	case !bytes.Equal(stored, fingerprint(s.key)):
		return fmt.Errorf("the history was recorded with another key than that in %s: put the right one there; with this one nobody would be recognised (to begin a new history, move the old one away)", s.keyFile)
	}
	return nil
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
	if err == nil {
		err = syncFolder(filepath.Dir(path)) // a history without its key is of no use
	}
	if err != nil {
		return fmt.Errorf("make the key of the history: %w", err)
	}
	return nil
}

// syncFolder makes sure that the names of files in a folder outlast a power cut.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
