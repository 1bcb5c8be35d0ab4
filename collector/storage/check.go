package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"active_users_exporter/collector/sqldb"
)

// CheckFolder returns why this process could not keep data in the folder, nil if it could.
// It makes and changes nothing. A folder that is missing is as good as the one that it
// would be made in. Key is a file that must be readable if it is there; the others must be
// writable as well.
func (l Location) CheckFolder(key string, others ...string) error {
	if l.folder == "" {
		return nil
	}
	info, err := os.Stat(l.folder)
	if errors.Is(err, fs.ErrNotExist) {
		parent, err := filepath.Abs(l.folder)
		for err == nil && !exists(parent) {
			parent = filepath.Dir(parent)
		}
		if err := unix.Access(parent, unix.W_OK|unix.X_OK); err != nil {
			return fmt.Errorf("the folder is missing and cannot be made in %s: %w", parent, err)
		}
		return nil
	}
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is no folder", l.folder)
	}
	if err := unix.Access(l.folder, unix.R_OK|unix.W_OK|unix.X_OK); err != nil {
		return fmt.Errorf("the folder cannot be written to: %w", err)
	}
	if err := l.checkFile(key, unix.R_OK, "read"); err != nil {
		return err
	}
	for _, file := range append(others, lockFile) {
		if err := l.checkFile(file, unix.R_OK|unix.W_OK, "written to"); err != nil {
			return err
		}
	}
	return nil
}

// checkFile returns why a file in the folder cannot be used, nil if it can or is missing.
func (l Location) checkFile(file string, need uint32, verb string) error {
	err := unix.Access(l.Path(file), need)
	switch whose, known := userOf(l.Path(file)); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("the file %s in it, which belongs to the user %d, cannot be %s by the user %d: %w", file, whose, verb, os.Getuid(), err)
	case known && os.Getuid() == 0: // root may do everything, and is not whom the exporter runs as
		if folder, _ := userOf(l.folder); folder != whose {
			return fmt.Errorf("the file %s in it belongs to the user %d, and the folder to the user %d: give it to that one", file, whose, folder)
		}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// userOf returns the number of the user to whom a file belongs.
func userOf(path string) (user uint32, known bool) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, false
	}
	stat, is := info.Sys().(*syscall.Stat_t)
	if !is {
		return 0, false
	}
	return stat.Uid, true
}

// Owner returns which process has claimed the folder, "" if none has. It disturbs no
// process that has, or is about to.
func (l Location) Owner() string {
	if l.folder == "" {
		return ""
	}
	file, err := os.Open(l.Path(lockFile))
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }()
	name := owner(file)
	if name == "" { // a claim is written down, and released before the end
		return ""
	}
	if syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) == nil {
		return "" // a process that was killed has left its name
	}
	return name
}

// MissingGrants returns the statements that give the role of a PostgreSQL database the
// rights that it lacks to keep the tables: to make them, and to read and write those that
// are there.
func (l Location) MissingGrants(ctx context.Context, tables ...string) (sqldb.Grants, error) {
	missing := sqldb.Grants{Database: l.String()}
	if !l.Shared() {
		return missing, nil
	}
	db, err := sqldb.OpenPostgreSQL(l.database)
	if err != nil {
		return missing, err
	}
	defer func() { _ = db.Close() }()
	var schema struct {
		Name, Role         string
		Usable, Extensible bool
	}
	// The first schema of the search path that there is, usable or not.
	if err := db.GetContext(ctx, &schema, `
		SELECT quote_ident(nspname) AS name, quote_ident(current_user) AS role,
			has_schema_privilege(oid, 'USAGE') AS usable, has_schema_privilege(oid, 'CREATE') AS extensible
		FROM pg_namespace JOIN unnest(string_to_array(replace(replace(current_setting('search_path'), '"$user"', current_user), ' ', ''), ',')) WITH ORDINALITY AS path (name, place)
			ON nspname = trim(BOTH '"' FROM path.name)
		ORDER BY place LIMIT 1`); err != nil {
		return missing, fmt.Errorf("look up the rights in the database: %w", err)
	}
	var lacks []string
	if !schema.Usable {
		lacks = append(lacks, "USAGE")
	}
	if !schema.Extensible {
		lacks = append(lacks, "CREATE")
	}
	if len(lacks) > 0 {
		missing.Statements = append(missing.Statements, "GRANT "+strings.Join(lacks, ", ")+" ON SCHEMA "+schema.Name+" TO "+schema.Role+";")
	}
	var refused []string
	if err := db.SelectContext(ctx, &refused, `
		SELECT quote_ident(nspname) || '.' || quote_ident(relname) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
		WHERE relname = ANY (string_to_array($1, ',')) AND relkind = 'r' AND quote_ident(nspname) = $2
			AND NOT (has_table_privilege(pg_class.oid, 'SELECT') AND has_table_privilege(pg_class.oid, 'INSERT')
				AND has_table_privilege(pg_class.oid, 'UPDATE') AND has_table_privilege(pg_class.oid, 'DELETE'))
		ORDER BY relname`, strings.Join(tables, ","), schema.Name); err != nil {
		return missing, fmt.Errorf("look up the rights to the tables: %w", err)
	}
	if len(refused) > 0 {
		missing.Statements = append(missing.Statements, "GRANT SELECT, INSERT, UPDATE, DELETE ON "+strings.Join(refused, ", ")+" TO "+schema.Role+";")
	}
	return missing, nil
}

// Tables returns the names of the tables of a schema.
func (s Schema) Tables() []string {
	names := []string{s.Table}
	for _, step := range s.Steps {
		for statement := range strings.SplitSeq(step, ";") {
			words := strings.Fields(statement)
			if at := slices.Index(words, "EXISTS"); at > 1 && slices.Contains(words[:at], "TABLE") && at+1 < len(words) && words[0] == "CREATE" {
				names = append(names, words[at+1])
			}
		}
	}
	return names
}
