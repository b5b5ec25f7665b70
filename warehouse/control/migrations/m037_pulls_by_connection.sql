CREATE INDEX pull_connection ON pull (connection_no, completed_at);
-- What a pull that goes is held by: without it, each looks through every day of every connection.
CREATE INDEX report_day_pull ON report_day (pull_no);
