from .findings import Findings as Findings
from .report import (
    Audit as Audit,
    Section as Section,
)
from .run import audit as audit
from .subject import (
    QUICK as QUICK,
    AuditSettings as AuditSettings,
    Subject as Subject,
    read_subject as read_subject,
)
