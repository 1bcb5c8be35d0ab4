package sqldb

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"active_users_exporter/collector/failure"
)

// A Need is a table, or a view, that is read: some of its columns, or all of them if none
// is named.
type Need struct {
	Table   string
	Columns []string
}

// Grants are the statements that give a role the rights that it lacks in a database.
type Grants struct {
	Database   string // without password
	Statements []string
}

// MissingGrants returns the statements that let the role of the location read what is
// needed, to be executed in its database by the owner of the tables. There are none if
// nothing is missing, and for other engines than PostgreSQL. Tables and columns that the
// database does not have are left out.
func (s Source) MissingGrants(ctx context.Context, o Options, needs ...Need) (Grants, error) {
	missing := Grants{Database: s.String()}
	if s.engine != PostgreSQL {
		return missing, nil
	}
	err := s.Read(ctx, o, func(ctx context.Context, view View) error {
		for _, need := range needs {
			statements, err := view.missing(ctx, need)
			if err != nil {
				return fmt.Errorf("look up the rights to read the table %s: %w", need.Table, err)
			}
			for _, statement := range statements {
				if !strings.Contains(strings.Join(missing.Statements, "\n"), statement) {
					missing.Statements = append(missing.Statements, statement)
				}
			}
		}
		return nil
	})
	if failure.Of(err) == failure.Denied && strings.Contains(err.Error(), "permission denied for database") {
		config, parseErr := pgx.ParseConfig(s.dsn)
		if parseErr == nil {
			missing.Statements = []string{"GRANT CONNECT ON DATABASE " + pgx.Identifier{config.Database}.Sanitize() + " TO " + pgx.Identifier{config.User}.Sanitize() + ";"}
			return missing, nil
		}
	}
	return missing, err
}

// missing returns the statements for one table: that which the role finds by its search
// path, or would find if it could use the schema.
func (v View) missing(ctx context.Context, need Need) ([]string, error) {
	var tables []struct {
		ID                  int64
		Table, Schema, Role string
		Usable              bool
	}
	if err := v.SelectContext(ctx, &tables, `
		SELECT pg_class.oid::bigint AS id, quote_ident(nspname) || '.' || quote_ident(relname) AS "table", quote_ident(nspname) AS schema,
			quote_ident(current_user) AS role, has_schema_privilege(pg_namespace.oid, 'USAGE') AS usable
		FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
		WHERE relname = $1 AND relkind IN ('r', 'p', 'v', 'm', 'f') AND nspname NOT IN ('pg_catalog', 'information_schema')
		ORDER BY array_position(current_schemas(false), nspname), nspname <> 'public', nspname LIMIT 1`, need.Table); err != nil || len(tables) == 0 {
		return nil, err
	}
	table := tables[0]
	var columns []string
	if err := v.SelectContext(ctx, &columns, `
		SELECT quote_ident(attname) FROM pg_attribute
		WHERE attrelid = $1::bigint::oid AND attnum > 0 AND NOT attisdropped AND NOT has_column_privilege(attrelid, attnum, 'SELECT')
			AND ($2 = '' OR attname = ANY (string_to_array($2, ',')))
		ORDER BY attnum`, table.ID, strings.Join(need.Columns, ",")); err != nil {
		return nil, err
	}
	var statements []string
	if !table.Usable {
		statements = append(statements, "GRANT USAGE ON SCHEMA "+table.Schema+" TO "+table.Role+";")
	}
	switch {
	case len(columns) == 0:
	case len(need.Columns) == 0:
		statements = append(statements, "GRANT SELECT ON "+table.Table+" TO "+table.Role+";")
	default:
		statements = append(statements, "GRANT SELECT ("+strings.Join(columns, ", ")+") ON "+table.Table+" TO "+table.Role+";")
	}
	return statements, nil
}
