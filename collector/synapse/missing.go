package synapse

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"active_users_exporter/collector/sqldb"
)

// oldest is said of a database that lacks something. Nothing that is read here has
// changed in Synapse since 1.22.0 (schema 58).
const oldest = "Synapse 1.22.0 (schema 58) is the oldest whose database can be read"

// explain adds to the error of a database that lacks a table or a column why that
// is: it looks around in the database.
func (r *Reader) explain(ctx context.Context, err error) error {
	signs := []string{"SQLSTATE 42703", "SQLSTATE 42P01", "no such column", "no such table"}
	if !slices.ContainsFunc(signs, func(sign string) bool { return strings.Contains(err.Error(), sign) }) {
		return err
	}
	var why string
	failed := r.options.Database.Read(ctx, sqldb.Options{PasswordFile: r.options.PasswordFile, Kept: r.connection}, func(ctx context.Context, view sqldb.View) (err error) {
		why, err = whyMissing(ctx, view)
		return err
	})
	if failed != nil || why == "" {
		return err
	}
	return fmt.Errorf("%w: %s", err, why)
}

// place is where there is a table user_ips.
type place struct {
	Schema           string `db:"schema"`
	Searched, Usable bool
}

// whyMissing says why there is no table user_ips, or another one of Synapse's.
func whyMissing(ctx context.Context, view sqldb.View) (string, error) {
	query := `SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name`
	if view.Engine == sqldb.PostgreSQL {
		why, err := whyNotSearched(ctx, view)
		if err != nil || why != "" {
			return why, err
		}
		query = `SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND pg_table_is_visible(oid)
			AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace) ORDER BY relname`
	}
	var tables []string
	if err := view.SelectContext(ctx, &tables, query); err != nil {
		return "", fmt.Errorf("list the tables: %w", err)
	}
	return whoseTables(tables), nil
}

// whyNotSearched says where else in a PostgreSQL the table is, "" if nowhere.
func whyNotSearched(ctx context.Context, view sqldb.View) (string, error) {
	var places []place
	if err := view.SelectContext(ctx, &places, `
		SELECT nspname AS schema, nspname = ANY (current_schemas(false)) AS searched, has_schema_privilege(pg_namespace.oid, 'USAGE') AS usable
		FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
		WHERE relname = 'user_ips' AND relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY nspname`); err != nil {
		return "", fmt.Errorf("look for the table in other schemas: %w", err)
	}
	if len(places) == 0 || slices.ContainsFunc(places, func(p place) bool { return p.Searched }) {
		return "", nil
	}
	for _, p := range places {
		if !p.Usable {
			return fmt.Sprintf("the role may not use the schema %q, in which Synapse's tables are: GRANT USAGE ON SCHEMA %q", p.Schema, p.Schema), nil
		}
	}
	var path string
	if err := view.GetContext(ctx, &path, `SELECT current_setting('search_path')`); err != nil {
		return "", fmt.Errorf("ask for the search path: %w", err)
	}
	return fmt.Sprintf("Synapse's tables are in the schema %q, which is not in the search path (%s): add ?search_path=%s to the location, or options under database.args", places[0].Schema, path, places[0].Schema), nil
}

// whoseTables says what program the tables of a database belong to.
func whoseTables(tables []string) string {
	has := func(names ...string) bool {
		return !slices.ContainsFunc(names, func(name string) bool { return !slices.Contains(tables, name) })
	}
	switch {
	case len(tables) == 0:
		return "the database has no tables that this role can see: is it Synapse's?"
	case has("compat_sessions", "user_sessions"), has("oauth2_sessions", "users"):
		return "this is the database of a Matrix Authentication Service: Synapse's is needed, MAS' is for the key mas"
	case has("userapi_accounts"), has("roomserver_rooms"):
		return "this is the database of a Dendrite"
	case has("syncv3_rooms"):
		return "this is the database of a sliding sync proxy, not of Synapse"
	case has("state_groups") && !has("users"):
		return "this is the database of Synapse's data store state: the one with the data store main is needed"
	case has("applied_schema_deltas"), has("schema_version"), has("users", "user_ips"):
		return oldest
	}
	const named = 3
	shown := strings.Join(tables[:min(named, len(tables))], ", ")
	if len(tables) > named {
		shown += " …"
	}
	return fmt.Sprintf("its tables (%s) are another program's, or Synapse is too old: %s", shown, oldest)
}
