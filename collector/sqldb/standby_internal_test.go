package sqldb

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"active_users_exporter/collector/failure"
)

// A standby that ends a reading, because its recovery waits for it, is a database that
// is locked for a moment: the refresh tries again.
func TestAConflictWithRecoveryIsALock(t *testing.T) {
	err := explain("postgres://standby/synapse", fmt.Errorf("read user_ips: %w", &pgconn.PgError{
		Code: "40001", Message: "canceling statement due to conflict with recovery",
	}))
	if failure.Of(err) != failure.Locked || !strings.Contains(err.Error(), "hot_standby_feedback") {
		t.Errorf("%s: %v", failure.Of(err), err)
	}
}
