package client_test

import (
	"testing"

	"github.com/lariat-go/websocket/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }
