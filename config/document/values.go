package document

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/webapi"
)

// Duration reads a duration as Prometheus writes them, which is more than 0; 0 if
// it is none.
func (d *Document) Duration(n *yaml.Node, key string) time.Duration {
	v, err := ParseDuration(d.Text(n, key))
	if err != nil {
		d.Problem(n, "%s: %s", key, err)
	}
	return v
}

// ParseDuration is Duration without a document.
func ParseDuration(text string) (time.Duration, error) {
	v, err := model.ParseDuration(text)
	if err != nil || v <= 0 {
		return 0, fmt.Errorf("%q is no duration: write it as in 30m, 1h or 1d", text)
	}
	return time.Duration(v), nil
}

// Bool reads true or false.
func (d *Document) Bool(n *yaml.Node, key string) bool {
	switch d.Text(n, key) {
	case "true":
		return true
	case "false":
		return false
	}
	d.Problem(n, "%s must be true or false", key)
	return false
}

// maxCount is far above any community.
const maxCount = 1_000_000_000

// Count reads a number of users, from 1 to a billion.
func (d *Document) Count(n *yaml.Node, key string) int {
	count, err := strconv.Atoi(d.Text(n, key))
	if err != nil || count < 1 || count > maxCount {
		d.Problem(n, "%s: want a number from 1 to %d", key, maxCount)
	}
	return count
}

// Path reads a path, which is returned as seen from the folder of the file.
func (d *Document) Path(n *yaml.Node, key string) string {
	path := d.Text(n, key)
	if path == "" {
		d.Problem(n, "%s is empty", key)
	}
	return Below(d.Folder(), path)
}

// Page reads the URL of a page of the running server; example names it.
func (d *Document) Page(n *yaml.Node, key, example string) string {
	location := d.Text(n, key)
	u, err := url.Parse(location)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		d.Problem(n, "%s: want the URL of %s", key, example)
	}
	return location
}

// Endpoint reads the URL of an interface, such as example.
func (d *Document) Endpoint(n *yaml.Node, key, example string) webapi.Endpoint {
	e, err := webapi.ParseEndpoint(d.Text(n, key))
	if err != nil {
		d.Problem(n, "%s: want a URL such as %s, with special characters of a user and password percent-encoded", key, example)
	}
	return e
}

// EndpointPasswordFile reads the path of the file with the password of the user
// of an interface; "" if n is nil.
func (d *Document) EndpointPasswordFile(n *yaml.Node, key string, endpoint webapi.Endpoint) string {
	if n == nil {
		return ""
	}
	path := d.Path(n, key)
	if !endpoint.HasUser() {
		d.Problem(n, "%s is for a URL with a user: write http://USER@HOST:PORT/PATH", key)
	}
	return path
}

// DatabasePasswordFile reads the path of the file with the password of a
// database, under the key password_file; "" if n is nil.
func (d *Document) DatabasePasswordFile(n *yaml.Node, database sqldb.Source) string {
	if n == nil {
		return ""
	}
	path := d.Path(n, "password_file")
	if database.Engine() == sqldb.SQLite || database.IsZero() {
		d.Problem(n, "password_file is for a database server: files have no password")
	}
	return path
}

// RequiredModules reads the modules to watch: names, or domain/name.
func (d *Document) RequiredModules(n *yaml.Node) (modules []string) {
	for _, item := range d.List(n, "required_modules") {
		text := d.Text(item, "required module")
		domain, name, both := strings.Cut(text, "/")
		if text == "" || both && (domain == "" || name == "" || strings.Contains(name, "/")) {
			d.Problem(item, "required module %q: want a name, such as mam, or domain/name", text)
		}
		modules = append(modules, text)
	}
	return modules
}

// IsURL says whether a location is that of an interface over HTTP.
func IsURL(location string) bool {
	return strings.HasPrefix(location, "http://") || strings.HasPrefix(location, "https://")
}

// IsConfiguration says whether a location is a configuration file, whose name
// has one of the endings, or the folder that holds it, rather than a database.
func IsConfiguration(location, folder string, endings ...string) bool {
	if strings.Contains(location, ":") {
		return false
	}
	for _, ending := range endings {
		if strings.HasSuffix(location, ending) {
			return true
		}
	}
	return IsFolder(Below(folder, location))
}

// IsFolder says whether there is a folder of that path.
func IsFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// Below returns the path as seen from folder.
func Below(folder, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(folder, path)
}

// maxSize is far above any real configuration, and below what hurts.
const maxSize = 1 << 20

// ReadFile returns the content of a configuration file, ours or a chat server's,
// of at most 1 MiB. It opens nothing but regular files.
func ReadFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read the file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a file", path)
	}
	if info.Size() > maxSize {
		return nil, fmt.Errorf("%s: larger than the 1 MiB that a configuration may have", path)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the file: %w", err)
	}
	return content, nil
}
