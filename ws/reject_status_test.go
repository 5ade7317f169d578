package ws

import (
	"errors"
	"fmt"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRefusalStatus(t *testing.T) {
	client, server := net.Pipe()
	client.Close()
	_, lost := Upgrade(server)
	require.Error(t, lost)
	for name, row := range map[string]struct {
		err  error
		want int
	}{
		"none":                     {nil, 0},
		"of this package":          {ErrHandshakeUpgradeRequired, 426},
		"wrapped":                  {fmt.Errorf("accept: %w", ErrHandshakeBadHost), 400},
		"of a callback":            {RejectConnectionError(RejectionStatus(401)), 401},
		"another one":              {errors.New("database"), 500},
		"answer that a client got": {&ConnectionRejectedError{status: 404, received: true}, 500},
		"the connection":           {lost, 0},
	} {
		require.Equal(t, row.want, RefusalStatus(row.err), name)
	}
}
