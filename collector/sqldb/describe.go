package sqldb

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Describe says which database would be read, with what libpq's defaults and the
// environment add: "postgresql, host db, port 5432, database synapse, user exporter".
// It connects to nothing and shows no password.
func (s Source) Describe() string {
	if s.authorities != "" {
		return s.server() + ", certificate signed by an authority in " + s.authorities
	}
	return s.server()
}

func (s Source) server() string {
	switch s.engine {
	case SQLite:
		return "sqlite, file " + s.path
	case MySQL:
		if c, err := mysqlConfig(s.dsn); err == nil {
			server := "socket " + c.Addr
			if host, port, found := cutPort(c.Addr); c.Net == "tcp" && found {
				server = fmt.Sprintf("host %s, port %s", host, port)
			}
			return fmt.Sprintf("mysql, %s, database %s, user %s", server, c.DBName, c.User)
		}
	case PostgreSQL:
		if c, err := pgx.ParseConfig(s.dsn); err == nil {
			return describePostgreSQL(c)
		}
	}
	return s.String()
}

func cutPort(address string) (host, port string, found bool) {
	i := strings.LastIndex(address, ":")
	if i < 0 {
		return address, "", false
	}
	return strings.Trim(address[:i], "[]"), address[i+1:], true
}

func describePostgreSQL(c *pgx.ConnConfig) string {
	servers := []string{fmt.Sprintf("host %s, port %d", c.Host, c.Port)}
	for _, other := range c.Fallbacks { // the same again without TLS, or another host
		if server := fmt.Sprintf("host %s, port %d", other.Host, other.Port); !slices.Contains(servers, server) {
			servers = append(servers, server)
		}
	}
	parts := []string{"postgresql", strings.Join(servers, ", or "), "database " + cmp.Or(c.Database, c.User), "user " + c.User}
	for _, name := range []string{"search_path", "options"} {
		if value := c.RuntimeParams[name]; value != "" {
			parts = append(parts, fmt.Sprintf("%s %q", name, value))
		}
	}
	return strings.Join(parts, ", ")
}
