package sqldb

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// A ParameterError says which connection parameter of libpq cannot be used, and
// why. It quotes no value that may be secret.
type ParameterError struct{ Name, Problem string }

func (e *ParameterError) Error() string { return e.Name + ": " + e.Problem }

// use says what to do with a connection parameter.
type use int

const (
	unknown use = iota // no parameter of libpq's
	located            // says which server, database and user: has a place of its own in a URL
	option             // passed on
	ignored            // of no meaning for a connection of a few seconds, or set by us
	refused            // says whom to trust in a way that we cannot
)

// useOf knows the connection parameters of libpq (PostgreSQL 18, 34.1.2).
func useOf(name string) use {
	switch name {
	case "host", "hostaddr", "port", "dbname", "user", "password":
		return located
	case "options", "passfile", "service", "servicefile", "connect_timeout", "target_session_attrs",
		"sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword", "sslsni", "sslnegotiation", "sslcertmode",
		"channel_binding", "require_auth", "krbsrvname", "min_protocol_version", "max_protocol_version":
		return option
	case "application_name", "fallback_application_name", "client_encoding",
		"keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout",
		"sslcompression", "ssl_min_protocol_version", "ssl_max_protocol_version",
		"gssencmode", "gsslib", "gssdelegation", "load_balance_hosts":
		return ignored
	case "sslcrl", "sslcrldir", "requirepeer", "replication", "sslkeylogfile",
		"oauth_issuer", "oauth_client_id", "oauth_client_secret", "oauth_scope", "scram_client_key", "scram_server_key":
		return refused
	}
	return unknown
}

// FromLibpq returns the database that libpq connects to with these connection
// parameters. Empty ones are as if they were not there. Its error is a
// *ParameterError where one parameter is to blame.
func FromLibpq(parameters map[string]string) (Source, error) {
	values := url.Values{}
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		if parameters[name] == "" {
			continue
		}
		switch useOf(name) {
		case option:
			values.Set(name, parameters[name])
		case refused:
			return Source{}, &ParameterError{name, "cannot be used here: give the location as postgres://USER@HOST/DATABASE"}
		case unknown:
			return Source{}, &ParameterError{name, "is no connection parameter of PostgreSQL's libpq"}
		case located, ignored:
		}
	}
	u := url.URL{Scheme: "postgres"}
	if err := setServer(&u, values, parameters); err != nil {
		return Source{}, err
	}
	if name := parameters["dbname"]; strings.ContainsAny(name, "@/") { // else it looks like a misplaced password
		u.Path = "/"
		values.Set("dbname", name)
	} else {
		u.Path = "/" + name
	}
	if user, password := parameters["user"], parameters["password"]; user != "" {
		u.User = url.UserPassword(user, password)
	} else if password != "" {
		values.Set("password", password)
	}
	u.RawQuery = strings.ReplaceAll(values.Encode(), "+", "%20") // libpq knows no + for a blank
	return ParseSource(u.String())
}

// setServer writes where the server is: in the usual place of a URL if it is one
// host, else as options.
func setServer(u *url.URL, values url.Values, parameters map[string]string) error {
	host, port := parameters["host"], parameters["port"]
	if address := parameters["hostaddr"]; address != "" {
		if parameters["sslmode"] == "verify-full" {
			return &ParameterError{"hostaddr", "with sslmode verify-full, a certificate is compared with host, which we would not connect to: leave one of them out, or give the location as postgres://USER@HOST/DATABASE"}
		}
		host = address
	}
	if err := checkPorts(host, port); err != nil {
		return err
	}
	// Others are several, or the folder of a Unix socket.
	isName := !strings.ContainsFunc(host, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(".-_:", r)
	})
	switch {
	case host != "" && isName && !strings.Contains(port, ","):
		u.Host = net.JoinHostPort(host, cmp.Or(strings.TrimSpace(port), "5432"))
	case host != "":
		values.Set("host", host)
		values.Set("port", cmp.Or(port, "5432"))
	case port != "": // of the socket in libpq's usual folder
		values.Set("port", port)
	}
	return nil
}

// checkPorts returns an error unless there is one port, or one for each host.
func checkPorts(host, port string) error {
	ports := strings.Split(port, ",")
	if hosts := strings.Count(host, ",") + 1; len(ports) > 1 && len(ports) != hosts {
		return &ParameterError{"port", fmt.Sprintf("%d ports for %d hosts", len(ports), hosts)}
	}
	for _, p := range ports {
		const most = 65535
		if n, err := strconv.Atoi(strings.TrimSpace(p)); p != "" && (err != nil || n < 1 || n > most) {
			return &ParameterError{"port", fmt.Sprintf("%q is not the number of a port", p)}
		}
	}
	return nil
}

// ParseConninfo returns the connection parameters in a connection string of libpq:
// "host=db user=synapse", or a URL.
func ParseConninfo(text string) (map[string]string, error) {
	for _, scheme := range []string{"postgres://", "postgresql://"} {
		if rest, ok := strings.CutPrefix(text, scheme); ok {
			return parseConnectionURL(rest)
		}
	}
	parameters := make(map[string]string)
	for rest := strings.TrimSpace(text); rest != ""; rest = strings.TrimLeft(rest, " \t\r\n\v\f") {
		name, value, found := strings.Cut(rest, "=")
		if name = strings.TrimSpace(name); !found || name == "" || strings.ContainsAny(name, " \t\r\n") {
			return nil, &ParameterError{"dsn", "want names with values, as in host=db user=synapse"}
		}
		var closed bool
		if parameters[name], rest, closed = cutValue(strings.TrimLeft(value, " \t\r\n\v\f")); !closed {
			return nil, &ParameterError{"dsn", "a quote is not closed"}
		}
	}
	return parameters, nil
}

// cutValue cuts the first value off, which may be in single quotes; a backslash
// stands before a character that is taken as it is.
func cutValue(text string) (value, rest string, closed bool) {
	quoted := strings.HasPrefix(text, "'")
	text = strings.TrimPrefix(text, "'")
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
		case quoted && c == '\'':
			return b.String(), text[i+1:], true
		case !quoted && strings.IndexByte(" \t\r\n\v\f", c) >= 0:
			return b.String(), text[i:], true
		case c == '\\' && !quoted: // the last character
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), "", !quoted
}

// parseConnectionURL reads what stands after postgres:// as libpq does: several
// hosts, each with its port, are allowed.
func parseConnectionURL(rest string) (map[string]string, error) {
	parameters := make(map[string]string)
	wrong := &ParameterError{"dsn", "not a valid URL: write postgres://USER@HOST/DATABASE"}
	set := func(name, encoded string) bool {
		value, err := url.PathUnescape(encoded)
		if err == nil && value != "" {
			parameters[name] = value
		}
		return err == nil
	}
	rest, query, _ := strings.Cut(rest, "?")
	authority, path, _ := strings.Cut(rest, "/")
	ok := set("dbname", path)
	if user, hosts, found := strings.Cut(authority, "@"); found {
		name, password, _ := strings.Cut(user, ":")
		ok = ok && set("user", name) && set("password", password)
		authority = hosts
	}
	hosts, ports := splitHosts(authority)
	ok = ok && set("host", hosts) && set("port", ports)
	for option := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(option, "=")
		switch {
		case option == "":
		case name == "ssl" && value == "true": // as JDBC writes it
			parameters["sslmode"] = "require"
		default:
			ok = ok && set(name, value)
		}
	}
	if !ok {
		return nil, wrong
	}
	return parameters, nil
}

// splitHosts returns the hosts and the ports of "a:1,[::1]:2", separated by commas;
// no ports if none is given.
func splitHosts(authority string) (hosts, ports string) {
	var allHosts, allPorts []string
	for text := range strings.SplitSeq(authority, ",") {
		host, port, _ := strings.Cut(text, ":")
		if address, after, closed := strings.Cut(text, "]"); closed && strings.HasPrefix(address, "[") {
			host, port = address[1:], strings.TrimPrefix(after, ":")
		}
		allHosts, allPorts = append(allHosts, host), append(allPorts, port)
	}
	if ports = strings.Join(allPorts, ","); strings.Trim(ports, ",") == "" {
		ports = ""
	}
	return strings.Join(allHosts, ","), ports
}
