package redisbroker_test

import (
	"context"
	"log"

	"github.com/redis/go-redis/v9"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/hub/redisbroker"
)

// The copies of a program meet at a Redis server.
func Example() {
	broker, err := redisbroker.New(redisbroker.Options{
		Redis:   &redis.UniversalOptions{Addrs: []string{"localhost:6379"}},
		History: func(string) int { return 1000 },
		OnError: func(err error) { log.Print(err) },
	})
	if err != nil {
		log.Fatal(err)
	}
	h := hub.New(&hub.Options{Broker: broker})
	log.Fatal(h.Run(context.Background()))
}
