# Sidekiq, the open source one: default settings, quiet. Loaded by `sidekiq -r`; run by itself it is the producer, which
# obeys as peers/produce.py does.

require "json"
require "sidekiq"

LEDGER = File.open(ENV.fetch("BENCH_LEDGER"), "r+b")
NAP_S = ENV.fetch("BENCH_NAP_S", "0.01").to_f
BULK = 1000 # as its documentation says of push_bulk

def ran(index)
  LEDGER.pwrite([Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond)].pack("q"), index * 8)
end

class Noop
  include Sidekiq::Worker
  sidekiq_options queue: "bench"

  def perform(index)
    ran(index)
  end
end

class Nap
  include Sidekiq::Worker
  sidekiq_options queue: "bench"

  def perform(index)
    sleep(NAP_S)
    ran(index)
  end
end

redis = { url: ENV.fetch("JQ_REDIS_URL") }
Sidekiq.configure_server { |config| config.redis = redis }
Sidekiq.configure_client { |config| config.redis = redis }
Sidekiq.logger.level = Logger::WARN
Redis.silence_deprecations = true

JOBS = { "noop" => Noop, "nap" => Nap }

def idle(count, most_s)
  now = -> { Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond) }
  ends = now.call + most_s * 1e9
  took = []
  count.times do |index|
    sleep(rand(0.015..0.040))
    before = now.call
    Noop.perform_async(index)
    cell = 0
    while cell.zero?
      raise "job #{index} never ran" if now.call - before > 15e9
      sleep(0.005)
      cell = LEDGER.pread(8, index * 8).unpack1("q")
    end
    took << cell - before
    break if now.call > ends
  end
  took
end

def obey(order)
  return idle(order["count"], order["most_s"]) if order["do"] == "idle"

  job, indexes = JOBS.fetch(order["job"]), 0...order["count"]
  started = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  if order["do"] == "many"
    indexes.each_slice(BULK) { |some| Sidekiq::Client.push_bulk("class" => job, "args" => some.map { |index| [index] }) }
  else
    indexes.each { |index| job.perform_async(index) }
  end
  Process.clock_gettime(Process::CLOCK_MONOTONIC) - started
end

if $PROGRAM_NAME == __FILE__
  $stdout.sync = true
  $stdin.each_line { |line| puts JSON.generate(obey(JSON.parse(line))) }
end
